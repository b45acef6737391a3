"""Backups that are refused, with the cause, the evidence and the remedy."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.plan.material import (
    IDENTITY,
    TRACKING,
    a_bitmap,
    a_disk,
    a_vm,
    an_image,
)
from tests.plan.test_backup import NEW_DISK, SHELF, TRACKED, VM, planned, the
from vmsnap_tui.errors import NotFound, PlanRefused, VmsnapError
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Agent, VmState
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, Level
from vmsnap_tui.plan.steps import (
    FreezeGuest,
)

CD = Disk("cd0", "ide0-cd0", (), unfit="CD drive")


def test_a_machine_that_stands_still_for_an_io_error_is_mended_first() -> None:
    """Its writes may be half done, and what pauses it would pause it again."""
    with pytest.raises(PlanRefused, match="I/O error") as caught:
        planned(replace(VM, state=VmState.IO_ERROR))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("job", "target", "remedy"),
    [
        ("vmsnap-0123456789ab-vdb", "vdb", "recover"),
        ("somebodys-job", "vdb", "--exclude"),
        ("somebodys-job", "", "--exclude"),
    ],
)
def test_a_disk_that_a_job_hides_is_not_left_out_in_silence(
    job: str, target: str, remedy: str
) -> None:
    hidden = replace(NEW_DISK, unfit="a job is at work on it", unfit_for_now=True)
    at_work = Job(job, "backup", JobStatus.RUNNING, 0, 1, target=target)
    vm = replace(VM, disks=(TRACKED, hidden), jobs=(at_work,))
    with pytest.raises(PlanRefused, match="job") as caught:
        planned(vm)
    assert remedy in caught.value.remedy
    assert [d.target for d in planned(vm, exclude=("vdb",)).disks] == ["vda"]


def test_leaving_a_disk_out_is_no_remedy_where_all_are_held() -> None:
    """libvirt makes one backup of a machine at a time."""
    held = [replace(d, unfit="a job", unfit_for_now=True) for d in VM.disks]
    with pytest.raises(PlanRefused) as caught:
        planned(replace(VM, disks=tuple(held)))
    assert "--exclude" not in caught.value.remedy
    assert "cancel" in caught.value.remedy


# What is refused, with the cause, the evidence and the remedy


def _without_agent(agent: Agent | None) -> Callable[[], Plan]:
    return lambda: planned(replace(VM, agent=agent), quiesce=True)


def _held_by(kind: str) -> Callable[[], Plan]:
    job = Job("backup-0", kind, JobStatus.READY, 0, 0, target="vda")
    return lambda: planned(replace(VM, jobs=(job,)))


REFUSALS: dict[str, tuple[Callable[[], Plan], str, str]] = {
    "no agent": (
        _without_agent(None),
        "web-01 has no guest agent channel",
        "no virtserialport named org.qemu.guest_agent.0",
    ),
    "an agent that does not answer": (
        _without_agent(Agent("/run/web.qga", answers=False)),
        "the guest agent of web-01 is not running",
        "the guest has not opened the channel behind /run/web.qga",
    ),
    "a paused guest that is to be frozen": (
        lambda: planned(
            replace(VM, state=VmState.PAUSED, status="paused"), quiesce=True
        ),
        "web-01 is paused, so that its agent cannot freeze anything",
        "its state is paused",
    ),
    "a machine that is off": (
        lambda: planned(replace(VM, state=VmState.OFF, status="shutdown")),
        "web-01 is not running",
        "its state is shutdown",
    ),
    "a machine that has crashed": (
        lambda: planned(replace(VM, state=VmState.CRASHED, status="internal-error")),
        "web-01 is not running",
        "its state is internal-error",
    ),
    "no room": (
        lambda: planned(shelf=replace(SHELF, free_bytes=1000)),
        "the repository has no room for this point",
        "it may take 2174232821 bytes (2.02 GiB), free are 1000 (1000 B) in /backup",
    ),
    "an incremental that cannot be had": (
        lambda: planned(level=Level.INCREMENTAL),
        "an incremental of every disk cannot be had",
        "vdb: the first point of this disk",
    ),
    "a merge at work": (
        _held_by("commit"),
        "a commit job holds vda",
        "job backup-0 is ready",
    ),
    "a copy at work": (
        _held_by("mirror"),
        "a mirror job holds vda",
        "job backup-0 is ready",
    ),
    "an unfit disk by name": (
        lambda: planned(a_vm(TRACKED, CD), disks=("cd0",)),
        "cd0 cannot be backed up",
        "CD drive",
    ),
    "no disk left": (
        lambda: planned(a_vm(TRACKED, CD), exclude=("vda",)),
        "web-01 has no disk to back up",
        "vda: left out on request; cd0: CD drive",
    ),
    "no disk at all": (
        lambda: planned(a_vm()),
        "web-01 has no disk to back up",
        "it has no disk at all",
    ),
    "a busy record": (
        lambda: planned(a_vm(a_disk(an_image("base", a_bitmap(busy=True))))),
        "the tracking of vda is in use by another operation",
        f"bitmap {TRACKING} is busy",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    make, cause, evidence = REFUSALS[name]
    with pytest.raises(PlanRefused) as caught:
        make()
    assert caught.value.cause == cause
    assert caught.value.evidence == evidence
    assert caught.value.remedy


@pytest.mark.parametrize(
    "make",
    [lambda: planned(disks=("vdz",)), lambda: planned(exclude=("vdz",))],
    ids=["chosen", "left-out"],
)
def test_a_disk_that_is_not_there_is_not_found(make: Callable[[], Plan]) -> None:
    """Also one to leave out: a typing error there would back up what must not be."""
    with pytest.raises(NotFound) as caught:
        make()
    assert caught.value.cause == "web-01 has no disk vdz"
    assert caught.value.evidence == "it has vda, vdb"
    assert caught.value.remedy


def test_an_agent_of_which_nothing_is_known_is_tried() -> None:
    vm = replace(VM, agent=Agent("/run/web.qga", answers=None))
    assert the(planned(vm, quiesce=True), FreezeGuest).agent == "/run/web.qga"


def test_a_job_that_holds_another_disk_is_no_hindrance() -> None:
    job = Job("m", "mirror", JobStatus.READY, 0, 0, target="vdb")
    plan = planned(replace(VM, jobs=(job,)), disks=("vda",))
    assert [disk.target for disk in plan.disks] == ["vda"]


def test_room_is_counted_to_the_last_byte() -> None:
    needed = planned().estimates.bytes
    planned(shelf=replace(SHELF, free_bytes=needed))
    with pytest.raises(PlanRefused):
        planned(shelf=replace(SHELF, free_bytes=needed - 1))


def test_an_incremental_of_every_disk_is_had_where_all_are_tracked() -> None:
    plan = planned(a_vm(TRACKED), level=Level.INCREMENTAL)
    assert [disk.level for disk in plan.disks] == ["incremental"]


def test_refusals_are_errors_with_an_exit_code() -> None:
    with pytest.raises(VmsnapError) as caught:
        planned(a_vm())
    assert caught.value.exit_code == 4


# What the hypervisor cannot do


def _limited(ability: Ability, **how: object) -> Limit:
    return Limit(ability, "libvirt 9.0 cannot", needs="libvirt 9.9", **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ability", "asked"),
    [
        (Ability.BACKUP, {}),
        (Ability.COMPRESS, {"compress": True}),
        (Ability.FREEZE, {"quiesce": True}),
        (Ability.INCREMENTAL, {"level": Level.INCREMENTAL}),
    ],
)
def test_what_cannot_be_done_here_is_refused_with_what_can(
    ability: Ability, asked: dict[str, object]
) -> None:
    vm = replace(VM, limits=(_limited(ability),))
    with pytest.raises(PlanRefused) as caught:
        planned(vm, **asked)  # type: ignore[arg-type]
    assert caught.value.evidence == "libvirt 9.0 cannot"
    assert caught.value.remedy == "it needs libvirt 9.9"


def test_a_limit_of_what_was_not_asked_for_refuses_nothing() -> None:
    limits = (_limited(Ability.COMPRESS), _limited(Ability.PAUSE_JOB))
    assert planned(replace(VM, limits=limits)).disks


def test_a_caution_of_increments_warns_where_nothing_is_frozen() -> None:
    vm = replace(VM, limits=(_limited(Ability.INCREMENTAL, warns=True),))
    told = "libvirt 9.0 cannot (needs libvirt 9.9)"
    assert told in planned(vm).warnings
    assert told not in planned(vm, level=Level.FULL).warnings
    assert told not in planned(vm, quiesce=True).warnings


def test_a_caution_is_told_with_what_the_guest_feels() -> None:
    """It stands for every backup here: as a warning nobody would read it for long."""
    vm = replace(VM, limits=(_limited(Ability.BACKUP, warns=True),))
    plan = planned(vm)
    assert plan.guest_effect.endswith("; libvirt 9.0 cannot (needs libvirt 9.9)")
    assert plan.warnings == planned(VM).warnings


def test_a_limit_that_may_not_be_heeded_is_warned_of_where_one_is_asked_for() -> None:
    vm = replace(VM, limits=(_limited(Ability.LIMIT_JOB, warns=True),))
    told = "libvirt 9.0 cannot (needs libvirt 9.9)"
    assert told not in planned(vm).warnings
    request = BackupRequest(vm.name, speed_bytes_per_s=1 << 20)
    assert told in plan_backup(vm, request, SHELF, IDENTITY).warnings

"""The plan of a backup, as the operator reads it, and the laws of its order."""

from dataclasses import replace
from typing import TypeVar

import pytest

from tests.plan.material import (
    EARLIER,
    FREE_BYTES,
    IDENTITY,
    POINT,
    PREFIX,
    SHA256,
    TRACKING,
    a_bitmap,
    a_disk,
    a_raw_disk,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.model.checkpoint import Checkpoint
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.instant import RecordedIn
from vmsnap_tui.model.point import DiskLevel, ExcludedDisk, Parent
from vmsnap_tui.model.vm import Capabilities, Vm, VmState
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.levels import Shelf
from vmsnap_tui.plan.plan import DiskPlan, Estimates, Plan
from vmsnap_tui.plan.requests import BackupRequest, Level
from vmsnap_tui.plan.steps import (
    AttachTargets,
    CommitPoint,
    CreateTarget,
    DetachTargets,
    DropBitmaps,
    FreezeGuest,
    SealTarget,
    StartBackup,
    Step,
    ThawGuest,
    WriteManifest,
)
from vmsnap_tui.units import GiB, MiB

S = TypeVar("S")

TRACKED = a_disk(an_image("base", a_bitmap()))
NEW_DISK = a_disk(an_image("data"), target="vdb")
VM = a_vm(TRACKED, NEW_DISK)
SHELF = a_shelf(stored())
EMPTY = a_shelf()


def planned(
    vm: Vm = VM,
    shelf: Shelf = SHELF,
    *,
    disks: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    level: Level = Level.AUTO,
    quiesce: bool = False,
    compress: bool = False,
) -> Plan:
    request = BackupRequest(
        vm.name,
        disks=disks,
        exclude=exclude,
        level=level,
        quiesce=quiesce,
        compress=compress,
    )
    return plan_backup(vm, request, shelf, IDENTITY)


def the(plan: Plan, kind: type[S]) -> S:
    """The one step of this kind."""
    (found,) = (step for step in plan.steps if isinstance(step, kind))
    return found


# What the operator reads


def test_the_plan_reads_as_what_will_be_done() -> None:
    assert planned(quiesce=True).lines() == (
        f"1. prepare point {POINT}, in a directory that no list shows",
        f"2. create disk-vda.qcow2 for 10.0 GiB over ../{EARLIER}/disk-vda.qcow2",
        "3. create disk-vdb.qcow2 for 10.0 GiB",
        "4. hand the stored images of vda, vdb to QEMU, without their parents",
        "5. freeze the guest's file systems; a guard thaws them after 10 s whatever"
        " happens here",
        "6. take the instant of all disks in one transaction: vda incremental,"
        " vdb full",
        "7. thaw the guest's file systems",
        "8. copy, until every disk is complete",
        "9. conclude all jobs together, once each has copied all",
        "10. take the stored images back from QEMU, written out",
        "11. sync disk-vda.qcow2, check it and read it back for its sha256",
        "12. sync disk-vdb.qcow2, check it and read it back for its sha256",
        "13. write the manifest, last of all files",
        f"14. put point {POINT} in its place: from here on it exists",
        f"15. remove bitmaps that no point needs any more ({TRACKING},"
        f" {PREFIX}{POINT}-scratch)",
    )


def test_each_disk_says_its_level_and_why() -> None:
    assert planned().disks == (
        DiskPlan(
            "vda",
            "incremental",
            f"every write since point {EARLIER} is recorded",
            3 * MiB,
            ("/images/base.qcow2",),
        ),
        DiskPlan(
            "vdb",
            "full",
            "the first point of this disk",
            2 * GiB,
            ("/images/data.qcow2",),
        ),
    )


def test_the_plan_answers_what_the_guest_feels_and_what_happens_if() -> None:
    plan = planned(quiesce=True)
    assert plan.title == "backup web-01"
    assert plan.guest_effect.startswith(
        "its writes wait while it is frozen, about 120 ms; while a disk is copied,"
    )
    assert plan.if_you_leave.startswith("the jobs go on inside QEMU")
    assert plan.if_it_breaks.startswith("what was written is removed")
    assert plan.afterwards.startswith(f"point {POINT} in /backup;")
    assert "frozen" not in planned().guest_effect


def test_the_plan_says_what_a_full_target_does_to_the_guest_on_this_qemu() -> None:
    old = planned().guest_effect
    assert "stalls the guest, a full or dead one can pause it" in old
    able = Capabilities((11, 0, 0), backup_on_cbw_error=True)
    new = planned(replace(VM, capabilities=able)).guest_effect
    assert "breaks the backup and not the guest" in new


def test_the_plan_says_what_it_may_take_and_how_long_the_guest_is_frozen() -> None:
    data = 3 * MiB + 2 * GiB
    needed = data + data // 100 + 2 * MiB
    assert planned(quiesce=True).estimates == Estimates(needed, FREE_BYTES, None, 0.12)
    assert planned().estimates == Estimates(needed, FREE_BYTES, None, None)


def test_a_chain_longer_than_the_disk_takes_no_more_than_the_disk() -> None:
    chain = tuple(an_image(f"i{number}") for number in range(9))
    plan = planned(a_vm(a_disk(*chain)), EMPTY)
    assert plan.disks[0].estimated_bytes == 10 * GiB


def test_a_plan_is_the_same_whenever_it_is_made_from_the_same_facts() -> None:
    assert planned() == planned()


# What it warns of


def test_a_guest_that_is_not_frozen_is_warned_of() -> None:
    assert planned().warnings == (
        "not frozen: the point is as a disk after a power cut",
    )
    assert planned(quiesce=True).warnings == ()
    assert planned(replace(VM, state=VmState.PAUSED)).warnings == ()


def test_a_raw_disk_is_warned_of_as_its_record_ends_with_qemu() -> None:
    plan = planned(a_vm(a_raw_disk()), EMPTY, quiesce=True)
    assert plan.warnings == (
        "vda is raw: changes are recorded in memory only, so that the backup after"
        " QEMU ends is a full",
    )
    assert not the(plan, StartBackup).instant.disks[0].persistent


def test_a_repository_on_the_file_system_of_a_disk_is_warned_of() -> None:
    shelf = replace(SHELF, same_file_system=frozenset({"vdb", "vda", "left-out"}))
    assert planned(shelf=shelf, quiesce=True).warnings == (
        "the repository lies on the same file system as vda, vdb: what fills or breaks"
        " one takes both",
    )


# The laws of its order


@pytest.fixture(params=[True, False], ids=["frozen", "not-frozen"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return planned(quiesce=request.param)


def _places(plan: Plan, kind: type[Step]) -> list[int]:
    return [n for n, step in enumerate(plan.steps) if isinstance(step, kind)]


def test_nothing_stands_between_freeze_instant_and_thaw() -> None:
    """Whatever stood there would lengthen the time the guest's writes wait."""
    kinds = [type(step) for step in planned(quiesce=True).steps]
    start = kinds.index(StartBackup)
    assert kinds[start - 1 : start + 2] == [FreezeGuest, StartBackup, ThawGuest]
    assert kinds.count(FreezeGuest) == kinds.count(ThawGuest) == 1


def test_a_guest_is_neither_frozen_nor_thawed_unasked() -> None:
    """A thaw would end a freeze that is somebody else's."""
    kinds = {type(step) for step in planned().steps}
    assert not kinds & {FreezeGuest, ThawGuest}


def test_all_that_can_fail_is_made_ready_before_the_freeze() -> None:
    plan = planned(quiesce=True)
    (freeze,) = _places(plan, FreezeGuest)
    made_ready = _places(plan, CreateTarget) + _places(plan, AttachTargets)
    assert max(made_ready) < freeze


def test_images_are_closed_before_sealed_sealed_before_named(plan: Plan) -> None:
    """A completed target is not on disk before QEMU has closed it."""
    (detach,) = _places(plan, DetachTargets)
    sealed = _places(plan, SealTarget)
    (manifest,) = _places(plan, WriteManifest)
    (commit,) = _places(plan, CommitPoint)
    assert [detach, *sealed, manifest, commit] == list(range(detach, commit + 1))
    assert len(sealed) == len(_places(plan, CreateTarget)) == 2


def test_the_commit_is_the_step_from_which_the_point_exists(plan: Plan) -> None:
    assert plan.steps[plan.commit_index] == CommitPoint(POINT)


def test_old_records_go_only_when_the_new_point_exists(plan: Plan) -> None:
    (drop,) = _places(plan, DropBitmaps)
    assert drop > plan.commit_index
    assert (("node-base", TRACKING)) in the(plan, DropBitmaps).bitmaps


def test_every_step_after_the_commit_may_be_repeated(plan: Plan) -> None:
    """There is no way back from there, so that a crash must not end the way on."""
    assert all(step.repeatable for step in plan.steps[plan.commit_index :])
    assert all(step.tidy for step in plan.steps[plan.commit_index + 1 :])


# What the steps carry


def test_the_new_record_and_the_old_are_two_bitmaps() -> None:
    """The old one is never cleared, so that no failure forgets a change."""
    vda, vdb = the(planned(), StartBackup).instant.disks
    assert vda.bitmap == vdb.bitmap == PREFIX + POINT
    assert vda.merge == (RecordedIn("node-base", TRACKING),)
    assert vda.scratch_bitmap not in {vda.bitmap, TRACKING}
    assert vdb.merge == ()
    assert vda.target_node != vdb.target_node
    assert vda.file == f"/backup/tmp/{POINT}/disk-vda.qcow2"


def test_node_names_fit_what_qemu_takes() -> None:
    many = tuple(a_disk(an_image(f"i{n}"), target=f"vd{n}") for n in range(30))
    instant = the(planned(a_vm(*many), EMPTY), StartBackup).instant
    assert max(len(disk.target_node) for disk in instant.disks) <= 31


def test_what_was_asked_of_the_copying_reaches_the_jobs() -> None:
    request = BackupRequest("web-01", compress=True, speed_bytes_per_s=7)
    plan = plan_backup(VM, request, SHELF, IDENTITY)
    instant = the(plan, StartBackup).instant
    assert (instant.compress, instant.speed_bytes_per_s) == (True, 7)
    instants = [s.instant for s in plan.steps if isinstance(s, AttachTargets)]
    assert instants == [instant]


@pytest.mark.parametrize(
    ("state", "was_running"),
    [(VmState.RUNNING, True), (VmState.PAUSED, False)],
)
def test_a_guest_that_stood_still_before_is_not_set_going(
    state: VmState, was_running: bool
) -> None:
    plan = planned(replace(VM, state=state))
    assert the(plan, StartBackup).was_running is was_running


def test_the_manifest_names_the_parent_by_its_digest() -> None:
    manifest = the(planned(exclude=("vdb",)), WriteManifest)
    (draft,) = manifest.disks
    assert draft.level is DiskLevel.INCREMENTAL
    assert draft.parent == Parent(EARLIER, SHA256)
    assert draft.bitmap == PREFIX + POINT
    assert draft.source_path == "/images/base.qcow2"
    assert manifest.seq == 8
    assert manifest.qemu_version == "7.2.22"
    assert manifest.excluded == (ExcludedDisk("vdb", "left out on request"),)


def test_the_source_of_the_next_increment_is_the_image_active_now() -> None:
    overlaid = a_disk(
        an_image("top", a_bitmap()), an_image("base", a_bitmap(), read_only=True)
    )
    (draft,) = the(planned(a_vm(overlaid)), WriteManifest).disks
    assert draft.source_path == "/images/top.qcow2"


def test_records_of_a_disk_that_is_left_out_stay() -> None:
    """Its last point is still the one its next increment stands on."""
    both = a_vm(TRACKED, a_disk(an_image("data", a_bitmap()), target="vdb"))
    shelf = a_shelf(stored(), stored("data", "vdb"))
    dropped = the(planned(both, shelf, disks=("vda",)), DropBitmaps).bitmaps
    assert {node for node, _ in dropped} == {"node-base"}


def test_the_scratch_record_is_removed_in_the_end() -> None:
    dropped = the(planned(), DropBitmaps).bitmaps
    scratch = f"{PREFIX}{POINT}-scratch"
    assert ("node-base", scratch) in dropped
    assert ("node-data", scratch) in dropped
    assert PREFIX + POINT not in {name for _, name in dropped}


# Which disks

CD = Disk("cd0", "ide0-cd0", (), unfit="CD drive")


def test_disks_that_cannot_be_backed_up_are_left_out_with_the_reason() -> None:
    plan = planned(a_vm(TRACKED, CD))
    assert [disk.target for disk in plan.disks] == ["vda"]
    excluded = the(plan, WriteManifest).excluded
    assert excluded == (ExcludedDisk("cd0", "CD drive"),)


def test_disks_that_were_not_chosen_are_recorded_as_such() -> None:
    plan = planned(disks=("vdb",))
    assert [disk.target for disk in plan.disks] == ["vdb"]
    excluded = the(plan, WriteManifest).excluded
    assert excluded == (ExcludedDisk("vda", "not chosen"),)


def test_a_disk_that_cannot_be_tracked_gets_no_bitmap_and_a_warning() -> None:
    raw = replace(a_raw_disk(target="vdb"), untracked="libvirt tracks qcow2 alone")
    plan = planned(replace(VM, disks=(TRACKED, raw)))
    instant = the(plan, StartBackup).instant
    assert [bool(disk.bitmap) for disk in instant.disks] == [True, False]
    assert the(plan, WriteManifest).disks[1].bitmap == ""
    assert "libvirt tracks qcow2 alone" in " ".join(plan.warnings)


def test_a_disk_left_out_keeps_its_newest_record_and_no_older_one() -> None:
    older = f"{PREFIX}older"
    other = a_disk(an_image("other", a_bitmap(), a_bitmap(older)), target="vdb")
    shelf = a_shelf(stored("base"), stored("other", target="vdb"))
    plan = planned(replace(VM, disks=(TRACKED, other)), shelf=shelf, disks=("vda",))
    dropped = [n for node, n in the(plan, DropBitmaps).bitmaps if node == "node-other"]
    assert dropped == [older]


def test_a_tool_that_refuses_others_beside_it_is_warned_of() -> None:
    def warned(name: str) -> bool:
        checkpoint = Checkpoint(name, "2026-11-20T01:00:00.000Z", ("vda",))
        plan = planned(replace(VM, checkpoints=(checkpoint,)))
        return "virtnbdbackup" in " ".join(plan.warnings)

    assert warned("virtnbdbackup.3")
    assert not warned("nightly")

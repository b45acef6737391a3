"""A definition and what was seen of it become a machine."""

from dataclasses import replace

import pytest

from tests.backends.libvirt.domain_texts import OFF_12_8, RUNNING_9_0, RUNNING_11_3
from vmsnap_tui.backends.libvirt.domain_xml import Definition, parse_domain
from vmsnap_tui.backends.libvirt.portrait import (
    NOT_YET,
    OFF,
    Known,
    Size,
    portrait,
)
from vmsnap_tui.model.checkpoint import Record
from vmsnap_tui.model.disk import Disk, DiskIo
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState

_URI = "qemu:///system"
_WEB, _DB, _WIN = map(parse_domain, (RUNNING_9_0, RUNNING_11_3, OFF_12_8))
_KNOWN = Known(
    run=7,
    sizes={("vda", "/img/web.s2"): Size(64, 8), ("vda", "/dev/vg/web"): Size(64, 32)},
    io={"vda": DiskIo(1, 2, 3.0)},
    checkpoints=(),
    records={"vda": (Record("cp1", 65536), Record("cp2", broken="it is broken"))},
)


def _vm(
    definition: Definition = _WEB,
    known: Known | None = None,
    *jobs: Job,
    seen: tuple[int, int] = (1, 1),
) -> Vm:
    return portrait(definition, seen, known, jobs, _URI, Capabilities((7, 2, 0)))


def _disk(vm: Vm, target: str) -> Disk:
    disk = vm.disk(target)
    assert disk is not None
    return disk


def test_images_have_the_names_that_libvirts_calls_take() -> None:
    vda = _disk(_vm(), "vda")
    assert [image.node for image in vda.chain] == ["vda", "vda[7]", "vda[5]"]
    assert [image.read_only for image in vda.chain] == [False, True, True]
    assert vda.device == "virtio-disk0"


def test_a_disk_that_takes_no_part_says_why() -> None:
    web, db = _vm(), _vm(_DB)
    assert _disk(web, "hdb").unfit == "no medium"
    assert _disk(db, "sdb").unfit == "a SCSI device that the guest drives itself"
    assert _disk(db, "vdc").unfit == "another process serves it (vhost-user)"
    assert not _disk(web, "vda").unfit
    assert not any(disk.unfit_for_now for disk in (*web.disks[:1], *web.disks[2:]))


def test_a_mirror_holds_its_disk_for_now() -> None:
    vdb = _disk(_vm(), "vdb")
    assert (vdb.unfit, vdb.unfit_for_now) == ("a job is at work on it", True)


def test_a_backup_holds_every_disk_for_now() -> None:
    job = Job("libvirt-backup-vdb", "backup", JobStatus.RUNNING, 0, 1, target="vdb")
    vm = _vm(_WEB, None, job)
    assert _disk(vm, "vda").unfit == "a job is at work on the machine"
    assert _disk(vm, "vda").unfit_for_now
    assert not _disk(vm, "hdb").unfit_for_now
    assert vm.jobs == (job,)


def test_a_job_on_one_disk_leaves_the_others_fit() -> None:
    job = Job("libvirt-stream-vda", "stream", JobStatus.RUNNING, 0, 1, target="vda")
    plain = replace(_WEB, disks=tuple(replace(d, mirror=None) for d in _WEB.disks))
    vm = _vm(plain, None, job)
    assert _disk(vm, "vda").unfit_for_now
    assert not _disk(vm, "vdb").unfit


def test_only_qcow2_is_tracked() -> None:
    assert not _disk(_vm(), "vda").untracked
    assert "qcow2 images alone" in _disk(_vm(_DB), "vda").untracked


def test_before_a_look_nothing_is_said_of_records() -> None:
    vda = _disk(_vm(), "vda")
    assert vda.records is None
    assert not any(image.bitmaps_known for image in vda.chain)
    assert _vm().checkpoints is None


def test_records_show_as_bitmaps_of_the_active_image() -> None:
    vda = _disk(_vm(_WEB, _KNOWN), "vda")
    assert vda.records == _KNOWN.records["vda"]
    good, bad = vda.active.bitmaps
    assert (good.name, good.dirty_bytes, good.trusted) == ("cp1", 65536, True)
    assert (bad.name, bad.inconsistent, bad.recording) == ("cp2", True, False)
    assert good.persistent
    assert good.granularity_bytes == 65536
    assert vda.active.bitmaps_known
    assert (vda.virtual_bytes, vda.allocated_bytes) == (64, 40)
    assert vda.io == DiskIo(1, 2, 3.0)


@pytest.mark.parametrize(
    ("definition", "seen", "why"),
    [
        (replace(_WEB, domain_id=None), (5, 1), OFF),
        (replace(_WEB, domain_id=8), (1, 1), NOT_YET),
    ],
)
def test_records_of_another_run_prove_nothing(
    definition: Definition, seen: tuple[int, int], why: str
) -> None:
    vda = _disk(_vm(definition, _KNOWN, seen=seen), "vda")
    assert vda.records is not None
    assert {(r.asked, r.broken) for r in vda.records} == {(False, why)}
    assert vda.active.bitmaps == ()
    assert not vda.active.bitmaps_known


def test_the_agent_is_reached_through_libvirt() -> None:
    address = f"libvirt:{_WEB.uuid}@{_URI}"
    assert _vm().agent == Agent(address, answers=False)
    there = replace(_WEB, agent="connected")
    assert _vm(there).agent == Agent(address, answers=True)
    assert _vm(there, seen=(5, 1)).agent == Agent(address, answers=False)
    assert _vm(replace(_WEB, agent="")).agent == Agent(address, answers=None)
    assert _vm(_DB).agent is None


def test_a_machine_that_is_off_has_no_jobs() -> None:
    job = Job("libvirt-stream-vda", "stream", JobStatus.RUNNING, 0, 1, target="vda")
    vm = _vm(_WIN, None, job, seen=(5, 2))
    assert vm.jobs == ()
    assert (vm.state, vm.status) == (VmState.OFF, "shut off (destroyed)")
    assert vm.definition == "config.xml"


def test_one_that_is_not_understood_is_shown_all_the_same() -> None:
    odd = Definition("odd", _WEB.uuid, 3, not_understood="its XML is broken")
    vm = _vm(odd)
    assert (vm.name, vm.disks, vm.definition) == ("odd", (), "")
    assert vm.status == "running; its XML is broken"


def test_the_size_of_a_disk_is_its_active_images() -> None:
    assert _KNOWN.virtual_bytes(_WEB) == {"vda": 64}

"""A reader on real domains: what a list costs, what a look tells, what hangs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.backends.libvirt.seat import Seat
from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.backends.libvirt.checkpoint_xml import BROKEN
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.portrait import OFF
from vmsnap_tui.backends.libvirt.reader import COUNTED_AT_ONCE
from vmsnap_tui.errors import NotFound
from vmsnap_tui.lab.disks import DiskSpec, run_tool
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.snapshot import SnapshotKind
from vmsnap_tui.model.vm import Vm, VmState

pytestmark = pytest.mark.libvirt


def _disk(vm: Vm, target: str = "vda") -> Disk:
    disk = vm.disk(target)
    assert disk is not None
    return disk


async def _checkpoint(domain: Domain, name: str, *targets: str) -> None:
    words = [f"--diskspec={target}" for target in targets]
    described = ["--description", "vmsnap-tui operation 0123456789ab"]
    await domain.libvirtd.virsh(
        "checkpoint-create-as", domain.name, name, *described, *words
    )


async def test_a_list_has_every_domain_with_its_chains(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain(DiskSpec("vda", chain_depth=3), DiskSpec("vdb", "raw"))
    await domain(name="off-01", off=True, agent=False)
    seat = await sit(web)
    vms = {vm.name: vm for vm in await seat.reader.read()}
    assert set(vms) == {"web-01", "off-01"}
    vm = vms["web-01"]
    assert (vm.uuid, vm.key) == (web.uuid, web.uuid)
    assert (vm.state, vm.status) == (VmState.PAUSED, "paused (user)")
    paths = [image.path for image in _disk(vm).chain]
    assert paths == [str(path) for path in reversed(web.chain("vda"))]
    assert _disk(vm, "vdb").untracked
    assert vm.agent is not None
    assert vm.agent.answers is False
    assert vm.capabilities.libvirt_version == seat.calls.libvirt_version
    off = vms["off-01"]
    assert (off.state, off.agent) == (VmState.OFF, None)
    assert off.limit(Ability.BACKUP) is not None
    assert vm.limit(Ability.BACKUP) is None


async def test_an_image_without_room_for_bitmaps_is_found(
    domain: StartDomain, lab_directory: Path, sit: Any
) -> None:
    old = lab_directory / "old.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10"]
    await run_tool([*make, old, "16M"])
    web = await domain(DiskSpec("vda"), DiskSpec("vdb", path=old))
    seat = await sit(web)
    await seat.reader.read()
    vm = await seat.reader.look(web.uuid)
    assert "version 2" in _disk(vm, "vdb").untracked
    assert not _disk(vm, "vda").untracked


async def test_a_list_of_an_unchanged_host_is_one_call(
    domain: StartDomain, sit: Any
) -> None:
    seat = await sit(await domain())
    before = await seat.reader.read()
    seat.catch_up()
    seat.calls.calls.clear()
    after = await seat.reader.read()
    assert seat.calls.calls == ["census"]
    assert after[0] is before[0]


async def test_what_changes_elsewhere_is_in_the_next_list(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    seat = await sit(web)
    await seat.reader.read()
    await domain(name="new", off=True)
    assert {vm.name for vm in await seat.reader.read()} == {"web-01", "new"}
    await web.libvirtd.virsh("domrename", "new", "newer")
    assert {vm.name for vm in await seat.reader.read()} == {"web-01", "newer"}
    await web.libvirtd.virsh("undefine", "newer")
    await web.destroy()
    [vm] = await seat.reader.read()
    assert (vm.name, vm.state) == ("web-01", VmState.OFF)
    assert vm.status == "shut off (destroyed)"


async def test_an_overlay_that_somebody_adds_is_seen(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    seat = await sit(web)
    await seat.reader.read()
    overlay = web.directory / "overlay"
    disk = f"vda,file={overlay}"
    words = ["--disk-only", "--no-metadata", "--diskspec", disk]
    await web.libvirtd.virsh("snapshot-create-as", "web-01", "s1", *words)
    await seat.until(lambda e: e.name == "JOB_STATUS_CHANGE")
    async with asyncio.timeout(10):
        while len(_disk(await seat.vm()).chain) < 2:
            await seat.change()
    assert _disk(await seat.vm()).active.path == str(overlay)


async def test_a_look_tells_sizes_io_checkpoints_and_snapshots(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=8 << 20), DiskSpec("vdb"))
    await _checkpoint(web, "vmsnap-1", "vda", "vdb")
    disk = f"vda,file={web.directory / 's1'}"
    words = ["--disk-only", "--diskspec", disk, "--diskspec", "vdb,snapshot=no"]
    await web.libvirtd.virsh("snapshot-create-as", "web-01", "s1", *words)
    await web.qemu_io("vda", "write -P 7 0 100k")
    seat = await sit(web)
    vm = await seat.reader.look(web.uuid)
    vda = _disk(vm)
    assert [record.name for record in vda.records or ()] == ["vmsnap-1"]
    record = vda.record("vmsnap-1")
    assert record is not None
    assert (record.dirty_bytes, record.whole, record.asked) == (131072, True, True)
    assert vda.active.bitmap("vmsnap-1") is not None
    assert vda.virtual_bytes == 8 << 20
    assert all(image.allocated_bytes for image in vda.chain)
    assert vda.io is not None
    assert [(c.name, c.current) for c in vm.checkpoints or ()] == [("vmsnap-1", True)]
    assert vm.snapshots is not None
    [snapshot] = vm.snapshots
    assert snapshot.kinds == {SnapshotKind.EXTERNAL}
    assert snapshot.current
    assert "custom-monitor" not in web.libvirtd.log("web-01").read_text()
    assert await seat.vm() is vm, "a list shows what the look has told"


async def test_records_broken_by_a_crash_are_told(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    await _checkpoint(web, "vmsnap-1", "vda")
    seat = await sit(web)
    await web.destroy()
    off = await seat.reader.look(web.uuid)
    [record] = _disk(off).records or ()
    assert (record.asked, record.broken) == (False, OFF)
    assert _disk(off).virtual_bytes == 64 << 20, "libvirt looks into the file"
    await web.start()
    [record] = _disk(await seat.reader.look(web.uuid)).records or ()
    assert record.whole
    await web.kill()
    assert (await seat.vm()).state is VmState.CRASHED
    await web.start()
    [record] = _disk(await seat.reader.look(web.uuid)).records or ()
    assert (record.asked, record.broken) == (True, BROKEN)


async def test_a_job_is_seen_held_and_kept_away_from(
    domain: StartDomain, sit: Any
) -> None:
    """On QEMU before 10 a look at the graph would end the machine."""
    web = await domain(DiskSpec("vda"), DiskSpec("vdb"))
    await _checkpoint(web, "vmsnap-1", "vda")
    await web.qemu_io("vda", "write -P 7 0 1M")
    copy = str(web.directory / "copy")
    words = ["--transient-job", "--bytes", "--bandwidth", "65536", "--format", "qcow2"]
    await web.libvirtd.virsh("blockcopy", "web-01", "vda", copy, *words)
    seat = await sit(web)
    async with asyncio.timeout(10):
        while not (await seat.vm()).jobs:
            await seat.change()
    [job] = (await seat.vm()).jobs
    assert (job.id, job.kind, job.target) == ("libvirt-mirror-vda", "mirror", "vda")
    assert (job.status, job.speed_bytes_per_s) == (JobStatus.RUNNING, 65536)
    assert job.operation is None
    assert await seat.reader.jobs(web.uuid) == (await seat.vm()).jobs
    vm = await seat.reader.look(web.uuid)
    assert _disk(vm).unfit_for_now
    assert not _disk(vm, "vdb").unfit
    [record] = _disk(vm).records or ()
    if not vm.capabilities.graph_safe_during_jobs:
        assert not record.asked
        assert "while a job runs" in record.broken
        assert not _disk(vm).active.bitmaps_known
    assert _disk(vm).io is not None
    await web.libvirtd.virsh("blockjob", "web-01", "vda", "--bandwidth", "0")
    await seat.until(lambda e: e.name == "block-job" and e.data["status"] == "ready")
    [job] = await seat.reader.jobs(web.uuid)
    assert job.status is JobStatus.READY
    await web.libvirtd.virsh("blockjob", "web-01", "vda", "--abort")
    await seat.until(lambda e: e.name == "block-job" and e.data["status"] == "canceled")
    after = await seat.vm()
    assert after.jobs == ()
    assert not _disk(after).unfit


@pytest.mark.parametrize("tracked", [True, False])
async def test_a_backup_is_known_as_ours_by_its_checkpoint_or_its_mark(
    domain: StartDomain, sit: Any, tracked: bool
) -> None:
    # QEMU has 64 MiB on the way before it heeds a limit
    web = await domain(DiskSpec("vda", size_bytes=512 << 20), DiskSpec("vdb"))
    point = "20261120T133321Z-0a1b2c3d"
    files = web.directory / "tmp" / point
    files.mkdir(parents=True)
    name = f"vmsnap-ab12cd34-{point}"
    if tracked:
        await _checkpoint(web, name, "vda")
    else:
        words = ["--key", "vmsnap", "--set", "<backup operation='0123456789ab'/>"]
        uri = f"urn:vmsnap-tui:{name}-scratch"
        await web.libvirtd.virsh("metadata", "web-01", uri, "--live", *words)
    xml = web.directory / "backup.xml"
    xml.write_text(
        "<domainbackup mode='push'><disks><disk name='vda' backup='yes' type='file'>"
        f"<driver type='qcow2'/><target file='{files / 'disk-vda.qcow2'}'/></disk>"
        "<disk name='vdb' backup='no'/></disks></domainbackup>"
    )
    await web.qemu_io("vda", "write -P 7 0 256M")
    seat = await sit(web)
    slow = "blockjob web-01 vda --bytes --bandwidth 65536"
    await web.libvirtd.virsh(f"backup-begin web-01 {xml}; {slow}")
    [job] = await seat.reader.jobs(web.uuid)
    assert (job.id, job.kind) == ("vmsnap-0123456789ab-vda", "backup")
    assert job.operation == "0123456789ab"
    assert job.done_bytes < job.total_bytes
    vm = await seat.reader.look(web.uuid)
    assert [each.id for each in vm.jobs] == [job.id]
    assert all(disk.unfit_for_now for disk in vm.disks)


async def test_a_pull_backup_is_foreign_and_holds_every_disk(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain(DiskSpec("vda"), DiskSpec("vdb"))
    xml = web.directory / "pull.xml"
    xml.write_text(
        "<domainbackup mode='pull'>"
        f"<server transport='unix' socket='{web.directory / 'nbd'}'/>"
        "<disks><disk name='vda' backup='yes' type='file'><driver type='qcow2'/>"
        f"<scratch file='{web.directory / 'scratch'}'/></disk>"
        "<disk name='vdb' backup='no'/></disks></domainbackup>"
    )
    seat = await sit(web)
    await seat.reader.read()
    await web.libvirtd.virsh("backup-begin", "web-01", str(xml))
    await seat.until(lambda e: e.name == "JOB_STATUS_CHANGE")
    vm = await seat.reader.look(web.uuid)
    [job] = vm.jobs
    assert (job.id, job.operation) == ("libvirt-backup-vda", None)
    assert all(disk.unfit_for_now for disk in vm.disks)
    await web.libvirtd.virsh("domjobabort", "web-01")
    await seat.until(lambda e: e.name == "job-completed")
    async with asyncio.timeout(10):
        while await seat.reader.jobs(web.uuid):
            pass
    assert not any(disk.unfit for disk in (await seat.vm()).disks)


async def test_an_inspection_finds_what_libvirt_does_not_know(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain(DiskSpec("vda", chain_depth=2))
    await _checkpoint(web, "vmsnap-1", "vda")
    seat = await sit(web)
    top = f"libvirt-{await _index(web)}-format"
    await web.execute("block-dirty-bitmap-add", node=top, name="foreign")
    vda = _disk(await seat.reader.inspect(web.uuid))
    assert [bitmap.name for bitmap in vda.active.bitmaps] == ["foreign", "vmsnap-1"]
    assert vda.differs == ""
    assert all(image.bitmaps_known for image in vda.chain)
    overlay = web.directory / "behind"
    await web.libvirtd.inside(
        "qemu-img", "create", "-q", "-f", "qcow2", str(overlay), "64M"
    )
    file = {"driver": "file", "filename": str(overlay)}
    await web.execute(
        "blockdev-add",
        **{"node-name": "behind", "driver": "qcow2", "file": file, "backing": None},
    )
    await web.execute("blockdev-snapshot", node=top, overlay="behind")
    vda = _disk(await seat.reader.inspect(web.uuid))
    assert vda.differs == f"on top is the qcow2 node behind, and not {vda.active.path}"


async def _index(web: Domain) -> str:
    return (await web.xml()).find("devices/disk/source").get("index", "")  # type: ignore[union-attr]


async def test_a_glance_counts_a_few_machines_in_turn(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    for number in range(COUNTED_AT_ONCE):
        await domain(name=f"more-{number}")
    await _checkpoint(web, "vmsnap-0", "vda")
    await _checkpoint(web, "vmsnap-1", "vda")
    await _checkpoint(web, "foreign", "vda")
    await web.qemu_io("vda", "write -P 7 0 64k")
    seat = await sit(web)
    await seat.reader.glance()
    assert seat.calls.calls.count("count") == COUNTED_AT_ONCE
    await seat.reader.glance()
    assert seat.calls.calls.count("count") == COUNTED_AT_ONCE + 1
    await seat.reader.glance()
    assert seat.calls.calls.count("count") == COUNTED_AT_ONCE + 1
    records = {r.name: r for r in _disk(await seat.vm()).records or ()}
    assert records["vmsnap-1"].dirty_bytes == 65536
    assert [r.name for r in records.values() if r.asked] == ["vmsnap-1"]
    assert all(_disk(vm).virtual_bytes for vm in await seat.reader.read())


async def test_records_in_doubt_are_not_lost_and_the_next_list_counts_them(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    await _checkpoint(web, "vmsnap-0", "vda")
    seat = await sit(web)
    await seat.reader.look(web.uuid)
    assert _disk(await seat.vm()).record("vmsnap-1") is None
    await _checkpoint(web, "vmsnap-1", "vda")
    async with seat.reader.lock(web.uuid):
        seat.reader.doubt_records(web.uuid)
        record = _disk(await seat.vm()).record("vmsnap-1")
        assert record is not None
        assert not record.asked
    seat.calls.calls.clear()
    record = _disk(await seat.vm()).record("vmsnap-1")
    assert record is not None
    assert record.whole
    assert seat.calls.calls == ["census", "count"]
    seat.calls.calls.clear()
    await seat.vm()
    assert seat.calls.calls == ["census"]


async def test_a_merge_by_somebody_else_has_the_records_counted(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    await _checkpoint(web, "vmsnap-1", "vda")
    disk = f"vda,file={web.directory / 's1'}"
    words = ["--disk-only", "--no-metadata", "--diskspec", disk]
    await web.libvirtd.virsh("snapshot-create-as", "web-01", "s1", *words)
    seat = await sit(web)
    await seat.reader.look(web.uuid)
    await web.libvirtd.virsh("checkpoint-create-as", "web-01", "vmsnap-2")
    merge = ["blockcommit", "web-01", "vda", "--active", "--pivot"]
    await web.libvirtd.virsh(*merge)
    await seat.until(
        lambda e: e.name == "block-job" and e.data["status"] == "completed"
    )
    async with asyncio.timeout(10):
        while (record := _disk(await seat.vm()).record("vmsnap-2")) is None or (
            not record.asked
        ):
            seat.catch_up()
    assert record.whole


async def test_a_machine_that_hangs_stops_no_list(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    other = await domain(name="other")
    seat = await sit(web)
    await web.signal("STOP")
    async with asyncio.timeout(3):
        assert len(await seat.reader.read()) == 2
        assert len(await seat.reader.glance()) == 2
        assert len(await seat.reader.glance()) == 2
        assert (await seat.reader.look(other.uuid)).name == "other"
    await web.signal("CONT")
    assert (await seat.reader.look(web.uuid)).name == "web-01"


async def test_after_a_lost_connection_everything_is_read_anew(
    domain: StartDomain, sit: Any
) -> None:
    seat = await sit(await domain())
    await seat.reader.read()
    seat.catch_up()
    seat.reader.forget()
    seat.calls.calls.clear()
    await seat.reader.read()
    assert seat.calls.calls == ["census", "definitions", "job_facts"]


@pytest.mark.parametrize(
    "key", ["web-01", "", "00000000-0000-4000-8000-000000000000", "../x"]
)
async def test_a_machine_that_is_not_there_is_not_found(
    libvirtd: StartLibvirtd, key: str
) -> None:
    seat = Seat((await libvirtd()).uri)
    await seat.watched.session.open()
    for ask in (seat.reader.look, seat.reader.inspect, seat.reader.jobs):
        with pytest.raises(NotFound):
            await ask(key)
    await seat.watched.session.close()


async def test_events_tell_whether_a_list_would_show_something_new(
    domain: StartDomain, sit: Any
) -> None:
    web = await domain()
    seat = await sit(web)
    reader = seat.reader

    def heard(name: str, **data: str) -> bool:
        return bool(reader.heard(Heard(web.uuid, "web-01", name, data, 0.0)))

    assert heard("lifecycle", event="started")
    assert heard("io-error")
    assert heard("metadata-change")
    assert heard("JOB_STATUS_CHANGE", status="running", id="x")
    assert not heard("RTC_CHANGE")
    assert not heard("block-threshold")


_NODE = """
<node>{domains}<cpu><mhz>2000</mhz><model>x</model><active>1</active></cpu>
<memory>1000000</memory></node>
"""
_DOMAIN = """
<domain type='test'><name>vm-{number}</name><memory>1024</memory>
<os><type>hvm</type></os><devices><disk type='file' device='disk'>
<source file='/img/{number}'/><target dev='vda'/></disk></devices></domain>
"""


async def test_a_thousand_machines_cost_few_calls_and_then_one(tmp_path: Path) -> None:
    domains = "".join(_DOMAIN.format(number=number) for number in range(1000))
    node = tmp_path / "node.xml"
    node.write_text(_NODE.format(domains=domains))
    seat = Seat(f"test://{node}")
    await seat.watched.session.open()
    first = await seat.reader.read()
    assert len(first) == 1000
    listed = [name for name in seat.calls.calls if name != "job_facts"]
    assert listed == ["census", "definitions", "definitions"]
    seat.catch_up()
    seat.calls.calls.clear()
    again = await seat.reader.read()
    assert seat.calls.calls == ["census"]
    assert all(a is b for a, b in zip(first, again, strict=True))
    await seat.reader.close()
    await seat.watched.session.close()


async def test_a_driver_without_checkpoints_and_jobs_is_read_too() -> None:
    seat = Seat("test:///default")
    await seat.watched.session.open()
    [vm] = await seat.reader.read()
    assert (vm.name, vm.state) == ("test", VmState.RUNNING)
    looked = await seat.reader.look(vm.uuid)
    assert looked.jobs == ()
    await seat.reader.glance()
    await seat.reader.close()
    await seat.watched.session.close()

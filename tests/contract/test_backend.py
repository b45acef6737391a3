"""What every backend promises, held over a machine in memory, over real QEMU by its
monitor, and over real QEMU by libvirt.

Two things are told in two ways: changes are recorded in the bitmaps of images, or by
what libvirt vouches for; a job that has copied all waits, or is over already."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import StartDomain, StartMachine
from vmsnap_tui.backends.base import Backend, Link, VmChanged
from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.errors import NoConnection, NotFound, StepFailed
from vmsnap_tui.lab.disks import DiskSpec, run_tool
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm

BLOCK = 65536
SIZE_MIB = 1024


class Bench(Protocol):
    """A machine under test: what the guest and the host do, and what was stored."""

    @property
    def backend(self) -> Backend: ...
    async def write(self, target: str, block: int, byte: int) -> None: ...
    async def fill(self, target: str) -> None:
        """So much data that a limit of speed comes before a job's end."""
        ...

    async def restart(self, *, crashed: bool) -> None: ...
    async def stored_file(self, name: str) -> str: ...
    async def stored(self, file: str, block: int) -> int | None:
        """The byte that fills a stored block, None where nothing is stored."""
        ...


@dataclass
class MemoryBench:
    backend: MemoryBackend

    async def write(self, target: str, block: int, byte: int) -> None:
        self.backend.write(target, block, bytes([byte]))

    async def fill(self, target: str) -> None:
        """Its jobs end as a test says."""

    async def restart(self, *, crashed: bool) -> None:
        self.backend.restart(crashed=crashed)

    async def stored_file(self, name: str) -> str:
        return f"/memory/{name}"

    async def stored(self, file: str, block: int) -> int | None:
        data = self.backend.stored[file].get(block)
        return data[0] if data else None


@dataclass
class QmpBench:
    backend: QmpBackend
    machine: Machine

    async def write(self, target: str, block: int, byte: int) -> None:
        await self.machine.qemu_io(target, f"write -P {byte} {block * BLOCK} {BLOCK}")

    async def fill(self, target: str) -> None:
        """Its jobs wait to be finalized anyway."""

    async def restart(self, *, crashed: bool) -> None:
        came_back = self.backend.events()
        await (self.machine.kill() if crashed else self.machine.stop())
        await self.machine.start()
        async for event in came_back:
            if isinstance(event, VmChanged) and self.backend.link is Link.UP:
                return

    async def stored_file(self, name: str) -> str:
        return await a_file(self.machine.directory, name)

    async def stored(self, file: str, block: int) -> int | None:
        return await stored_byte(file, block)


@dataclass
class LibvirtBench:
    backend: LibvirtBackend
    domain: Domain

    async def write(self, target: str, block: int, byte: int) -> None:
        await self.domain.qemu_io(target, f"write -P {byte} {block * BLOCK} {BLOCK}")

    async def fill(self, target: str) -> None:
        await self.domain.destroy()
        full = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=falloc"]
        await run_tool([*full, self.domain.active(target), f"{SIZE_MIB}M"])
        await self.domain.start()

    async def restart(self, *, crashed: bool) -> None:
        await (self.domain.kill() if crashed else self.domain.destroy())
        await self.domain.start()

    async def stored_file(self, name: str) -> str:
        return await a_file(self.domain.directory, name)

    async def stored(self, file: str, block: int) -> int | None:
        return await stored_byte(file, block)


async def a_file(directory: Path, name: str) -> str:
    file = directory / f"{name}.qcow2"
    await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, f"{SIZE_MIB}M"])
    return str(file)


async def stored_byte(file: str, block: int) -> int | None:
    raw = Path(file).with_suffix(".raw")
    map_command = ["qemu-img", "map", "--output=json", "-f", "qcow2", file]
    await run_tool(["qemu-img", "check", "-q", "-f", "qcow2", file])
    if '"data": true' not in await run_tool(map_command):
        return None
    await run_tool(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, raw])
    with raw.open("rb") as opened:
        opened.seek(block * BLOCK)
        return opened.read(1)[0] or None


@pytest.fixture(
    params=[
        "memory",
        pytest.param("qmp", marks=pytest.mark.qemu),
        pytest.param("libvirt", marks=pytest.mark.libvirt),
    ],
)
async def bench(
    request: pytest.FixtureRequest, machine: StartMachine, domain: StartDomain
) -> AsyncIterator[Bench]:
    made: Bench
    disks = [DiskSpec(target, size_bytes=SIZE_MIB << 20) for target in ("vda", "vdb")]
    match request.param:
        case "memory":
            made = MemoryBench(MemoryBackend())
        case "qmp":
            started = await machine(*disks)
            made = QmpBench(QmpBackend(started.connection), started)
        case _:
            defined = await domain(*disks)
            made = LibvirtBench(LibvirtBackend(defined.connection), defined)
    await made.backend.open()
    yield made
    await made.backend.close()


async def the_vm(bench: Bench) -> Vm:
    (vm,) = await bench.backend.read()
    return await bench.backend.look(vm.key)


async def an_instant(bench: Bench, name: str, since: str = "") -> BackupInstant:
    """A backup of both disks: full, or since an earlier one's bitmap."""
    level = DiskLevel.INCREMENTAL if since else DiskLevel.FULL
    disks = [
        DiskInstant(
            target=target,
            file=await bench.stored_file(f"{name}-{target}"),
            target_node=f"vmsnap-{name}-{target}",
            level=level,
            bitmap=f"vmsnap-{name}",
            persistent=True,
            scratch_bitmap=f"vmsnap-{name}-scratch",
            merge=(RecordedIn(target, f"vmsnap-{since}"),) if since else (),
        )
        for target in ("vda", "vdb")
    ]
    return BackupInstant(name, tuple(disks))


async def run_whole(bench: Bench, instant: BackupInstant) -> None:
    backend, key = bench.backend, (await the_vm(bench)).key
    await backend.attach_targets(key, instant)
    await backend.start_backup(key, instant)
    await backend.await_jobs(key, instant, lambda jobs: None)
    await backend.finalize_jobs(key, instant)
    await backend.detach_targets(key, instant)
    scratch = tuple((d.target, d.scratch_bitmap) for d in instant.disks)
    assert await backend.drop_bitmaps(key, scratch) == ()


@dataclass(frozen=True)
class Tracking:
    """What is recorded of one disk under one name, however that is told."""

    dirty_bytes: int
    trusted: bool


def tracking(vm: Vm, target: str) -> dict[str, Tracking]:
    disk = vm.disk(target)
    assert disk is not None
    if disk.records is not None:
        return {r.name: Tracking(r.dirty_bytes, r.whole) for r in disk.records}
    bitmaps = disk.active.bitmaps
    return {b.name: Tracking(b.dirty_bytes, b.trusted) for b in bitmaps}


def bitmap_names(vm: Vm, target: str) -> list[str]:
    return sorted(tracking(vm, target))


async def test_full_backup_stores_what_the_disks_held_at_the_instant(
    bench: Bench,
) -> None:
    await bench.write("vda", 3, 0x11)
    instant = await an_instant(bench, "op1")
    await run_whole(bench, instant)
    await bench.write("vda", 3, 0x22)
    assert await bench.stored(instant.disks[0].file, 3) == 0x11
    vm = await the_vm(bench)
    assert bitmap_names(vm, "vda") == ["vmsnap-op1"]
    assert vm.jobs == ()


async def test_increment_stores_only_what_was_written_since(bench: Bench) -> None:
    await bench.write("vda", 3, 0x11)
    await run_whole(bench, await an_instant(bench, "op1"))
    await bench.write("vda", 7, 0x22)
    instant = await an_instant(bench, "op2", since="op1")
    await run_whole(bench, instant)
    assert await bench.stored(instant.disks[0].file, 7) == 0x22
    assert await bench.stored(instant.disks[0].file, 3) is None
    assert await bench.stored(instant.disks[1].file, 7) is None


async def test_new_bitmap_records_from_the_instant_and_the_old_is_never_cleared(
    bench: Bench,
) -> None:
    await run_whole(bench, await an_instant(bench, "op1"))
    await bench.write("vda", 7, 0x22)
    await run_whole(bench, await an_instant(bench, "op2", since="op1"))
    await bench.write("vda", 9, 0x33)
    assert tracking(await the_vm(bench), "vda") == {
        "vmsnap-op1": Tracking(2 * BLOCK, trusted=True),
        "vmsnap-op2": Tracking(BLOCK, trusted=True),
    }


async def test_a_glance_sees_what_a_reading_sees_and_what_was_written_since(
    bench: Bench,
) -> None:
    await run_whole(bench, await an_instant(bench, "op1"))
    (read,) = await bench.backend.read()
    (glanced,) = await bench.backend.glance()
    assert glanced.disks == read.disks
    await bench.write("vda", 7, 0x22)
    if isinstance(bench, LibvirtBench):
        await bench.backend.look(read.key)  # else it counts a few machines in turn
    (glanced,) = await bench.backend.glance()
    assert tracking(glanced, "vda")["vmsnap-op1"].dirty_bytes == BLOCK
    await bench.restart(crashed=True)
    await bench.backend.read()
    (glanced,) = await bench.backend.glance()
    left = tracking(glanced, "vda").get("vmsnap-op1")
    assert left is None or not left.trusted


async def test_aborted_backup_leaves_the_machine_as_it_was(bench: Bench) -> None:
    await run_whole(bench, await an_instant(bench, "op1"))
    await bench.write("vda", 7, 0x22)
    before = await the_vm(bench)
    instant = await an_instant(bench, "op2", since="op1")
    await bench.backend.attach_targets(before.key, instant)
    await bench.backend.start_backup(before.key, instant)
    assert await bench.backend.backup_started(before.key, instant)
    await bench.backend.abort_backup(before.key, instant, was_running=False)
    await bench.backend.drop_targets(before.key, instant)
    after = await the_vm(bench)
    assert [d.chain for d in after.disks] == [d.chain for d in before.disks]
    assert after.jobs == ()
    assert not await bench.backend.backup_started(before.key, instant)


async def test_taking_back_succeeds_when_there_is_nothing(bench: Bench) -> None:
    key = (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    await bench.backend.abort_backup(key, instant, was_running=False)
    await bench.backend.drop_targets(key, instant)
    assert await bench.backend.drop_bitmaps(key, (("vda", "none"), ("gone", "x"))) == ()


async def test_finalize_and_detach_may_be_repeated(bench: Bench) -> None:
    backend, key = bench.backend, (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    await backend.attach_targets(key, instant)
    await backend.start_backup(key, instant)
    await backend.await_jobs(key, instant, lambda jobs: None)
    for _ in range(2):
        await backend.finalize_jobs(key, instant)
    for _ in range(2):
        await backend.detach_targets(key, instant)


async def test_nodes_and_jobs_that_died_with_their_machine_are_no_success(
    bench: Bench,
) -> None:
    backend, key = bench.backend, (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    await backend.attach_targets(key, instant)
    await backend.start_backup(key, instant)
    await backend.await_jobs(key, instant, lambda jobs: None)
    await bench.restart(crashed=True)
    assert not await backend.backup_started(key, instant)
    with pytest.raises(StepFailed):
        await backend.await_jobs(key, instant, lambda jobs: None)
    with pytest.raises(StepFailed):
        await backend.finalize_jobs(key, instant)
    with pytest.raises(StepFailed):
        await backend.detach_targets(key, instant)
    await backend.abort_backup(key, instant, was_running=False)


async def test_bitmap_of_an_earlier_run_is_inconsistent_after_a_crash(
    bench: Bench,
) -> None:
    await run_whole(bench, await an_instant(bench, "op1"))
    await bench.restart(crashed=False)
    assert tracking(await the_vm(bench), "vda")["vmsnap-op1"].trusted
    await bench.restart(crashed=True)
    vm = await the_vm(bench)
    assert not tracking(vm, "vda")["vmsnap-op1"].trusted
    dropped = (("vda", "vmsnap-op1"), ("vdb", "vmsnap-op1"))
    assert await bench.backend.drop_bitmaps(vm.key, dropped) == ()
    assert bitmap_names(await the_vm(bench), "vda") == []


async def test_start_is_all_or_none(bench: Bench) -> None:
    key = (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    await bench.backend.attach_targets(key, instant)
    missing = f"{instant.disks[1].file}.gone"
    last = replace(instant.disks[1], target_node="vmsnap-missing", file=missing)
    broken = replace(instant, disks=(instant.disks[0], last))
    with pytest.raises(StepFailed):
        await bench.backend.start_backup(key, broken)
    vm = await the_vm(bench)
    assert vm.jobs == ()
    assert bitmap_names(vm, "vda") == []
    assert not await bench.backend.backup_started(key, broken)


async def test_attach_is_all_or_none(bench: Bench) -> None:
    key = (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    same = replace(instant.disks[1], target_node=instant.disks[0].target_node)
    if isinstance(bench, QmpBench):
        doubled = replace(instant, disks=(instant.disks[0], same))
        with pytest.raises(StepFailed):
            await bench.backend.attach_targets(key, doubled)
    await bench.backend.attach_targets(key, instant)


async def test_progress_tells_each_job_with_its_disk(bench: Bench) -> None:
    await bench.write("vda", 3, 0x11)
    backend, key = bench.backend, (await the_vm(bench)).key
    instant = await an_instant(bench, "op1")
    await backend.attach_targets(key, instant)
    await backend.start_backup(key, instant)
    heard: list[tuple[Job, ...]] = []
    await backend.await_jobs(key, instant, heard.append)
    last = heard[-1]
    assert [job.target for job in sorted(last, key=lambda j: j.id)] == ["vda", "vdb"]
    assert {job.operation for job in last} == {"op1"}
    assert {job.status for job in last} <= {JobStatus.PENDING, JobStatus.CONCLUDED}
    assert {job.done_ratio for job in last} == {1.0}


async def test_cancelled_job_fails_the_wait(bench: Bench) -> None:
    backend, key = bench.backend, (await the_vm(bench)).key
    await bench.fill("vda")
    instant = replace(await an_instant(bench, "op1"), speed_bytes_per_s=BLOCK)
    await backend.attach_targets(key, instant)
    await backend.start_backup(key, instant)
    await backend.cancel_job(key, instant.job_ids[0])
    with pytest.raises(StepFailed, match="cancel"):
        await backend.await_jobs(key, instant, lambda jobs: None)
    await backend.abort_backup(key, instant, was_running=False)


async def test_every_listener_hears_that_the_machine_changed(bench: Bench) -> None:
    key = (await the_vm(bench)).key
    listeners = [bench.backend.events(), bench.backend.events()]
    await bench.backend.attach_targets(key, await an_instant(bench, "op1"))
    for listener in listeners:
        async with asyncio.timeout(5):
            changes = (e async for e in listener if isinstance(e, VmChanged))
            assert await anext(changes) == VmChanged(key)


async def test_listeners_end_when_the_backend_is_closed(bench: Bench) -> None:
    listener = bench.backend.events()
    await bench.backend.close()
    async with asyncio.timeout(5):
        assert [e async for e in listener if isinstance(e, VmChanged)] == []
    with pytest.raises(NoConnection):
        await bench.backend.read()


async def test_another_machines_key_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.backend.jobs("another")


async def test_living_machine_is_not_gone(bench: Bench) -> None:
    assert not await bench.backend.is_gone((await the_vm(bench)).key)


async def test_wire_says_what_each_effect_sends(bench: Bench) -> None:
    vm = await the_vm(bench)
    instant = await an_instant(bench, "op1")
    wire = bench.backend.wire
    assert len(wire.attach_targets(vm, instant)) >= 2
    assert wire.start_backup(vm, instant)
    assert wire.finalize_jobs(vm, instant)
    assert wire.detach_targets(vm, instant)
    assert len(wire.drop_bitmaps(vm, (("vda", "vmsnap-op1"),))) == 1

"""What a backup does to a real machine, and what is left when it breaks."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.errors import ConnectionLost, StepFailed
from vmsnap_tui.lab.disks import DiskSpec, add_overlay, run_tool
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm, VmState

pytestmark = pytest.mark.qemu
BLOCK = 65536
Opened = Callable[[Machine], Awaitable[QmpBackend]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    backends: list[QmpBackend] = []

    async def start(machine: Machine) -> QmpBackend:
        backends.append(QmpBackend(machine.connection))
        await backends[-1].open()
        return backends[-1]

    yield start
    for backend in backends:
        await backend.close()


async def read(backend: QmpBackend) -> Vm:
    (vm,) = await backend.read()
    return vm


async def stored_file(place: Path, name: str, size: str = "64M") -> str:
    file = place / f"{name}.qcow2"
    await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, size])
    return str(file)


async def an_instant(
    place: Path, *targets: str, speed_bytes_per_s: int = 0, name: str = "op1"
) -> BackupInstant:
    disks = [
        DiskInstant(
            target=target,
            file=await stored_file(place, f"{name}-{target}"),
            target_node=f"vmsnap-{name}-{target}",
            level=DiskLevel.FULL,
            bitmap=f"vmsnap-{name}",
            persistent=True,
            scratch_bitmap=f"vmsnap-{name}-scratch",
            merge=(),
        )
        for target in targets
    ]
    return BackupInstant(name, tuple(disks), speed_bytes_per_s)


def nothing(jobs: tuple[Job, ...]) -> None:
    """Nobody looks at the progress."""


async def content_byte(file: str, block: int) -> int:
    raw = Path(file).with_suffix(".out")
    await run_tool(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, raw])
    with raw.open("rb") as read_back:
        read_back.seek(block * BLOCK)
        return read_back.read(1)[0]


async def through_finalize(backend: QmpBackend, vm: Vm, instant: BackupInstant) -> None:
    await backend.attach_targets(vm.key, instant)
    await backend.start_backup(vm.key, instant)
    await backend.await_jobs(vm.key, instant, nothing)
    await backend.finalize_jobs(vm.key, instant)


async def test_stored_image_is_whole_when_qemu_is_killed_right_after_detach(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    await web.qemu_io("vda", f"write -P 7 0 {4 * BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda")
    await through_finalize(backend, await read(backend), instant)
    await backend.detach_targets(web.uuid, instant)
    await web.kill()
    file = instant.disks[0].file
    await run_tool(["qemu-img", "check", "-q", "-f", "qcow2", file])
    assert [await content_byte(file, block) for block in (0, 3)] == [7, 7]


async def test_metadata_that_cannot_be_written_at_the_end_is_no_success(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    """All data was copied and the job was well; QEMU's table of it was in memory."""
    web = await machine(DiskSpec("vda"))
    await web.qemu_io("vda", f"write -P 7 0 {4 * BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda")
    node = instant.disks[0].target_node
    inner = {"driver": "file", "filename": instant.disks[0].file}
    second = {"event": "l2_update", "errno": 28, "state": 2, "once": False}
    debug = {
        "driver": "blkdebug",
        "node-name": f"{node}-f",
        "image": inner,
        "inject-error": [second],
        "set-state": [{"event": "l2_update", "state": 1, "new_state": 2}],
    }
    await web.lab.execute(
        "blockdev-add", driver="qcow2", node_name=node, backing=None, file=debug
    )
    await backend.start_backup(web.uuid, instant)
    await backend.await_jobs(web.uuid, instant, nothing)
    await backend.finalize_jobs(web.uuid, instant)
    with pytest.raises(StepFailed, match="could not be written out") as raised:
        await backend.detach_targets(web.uuid, instant)
    assert "No space left" in raised.value.evidence
    assert instant.disks[0].file in raised.value.evidence
    await backend.abort_backup(web.uuid, instant, was_running=False)
    await backend.drop_targets(web.uuid, instant)
    assert (await read(backend)).disks[0].active.bitmaps == ()


async def test_one_detach_closes_format_and_file(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda")
    before = await web.lab.execute("query-named-block-nodes", flat=True)
    await backend.attach_targets(web.uuid, instant)
    await backend.drop_targets(web.uuid, instant)
    after = await web.lab.execute("query-named-block-nodes", flat=True)
    assert len(after) == len(before)


async def test_first_target_is_closed_again_when_the_second_cannot_be_opened(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb"))
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", "vdb")
    Path(instant.disks[1].file).unlink()
    before = await web.lab.execute("query-named-block-nodes", flat=True)
    with pytest.raises(StepFailed, match="No such file") as raised:
        await backend.attach_targets(web.uuid, instant)
    assert instant.disks[1].file in raised.value.evidence
    after = await web.lab.execute("query-named-block-nodes", flat=True)
    assert len(after) == len(before)


async def test_writes_after_the_instant_stay_out_of_the_backup(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    await web.qemu_io("vda", f"write -P 7 0 {64 * BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", speed_bytes_per_s=BLOCK)
    await backend.attach_targets(web.uuid, instant)
    await backend.start_backup(web.uuid, instant)
    await web.qemu_io("vda", f"write -P 9 {50 * BLOCK} {BLOCK}")
    await backend.set_job_speed(web.uuid, instant.job_ids[0], 0)
    await backend.await_jobs(web.uuid, instant, nothing)
    await backend.finalize_jobs(web.uuid, instant)
    await backend.detach_targets(web.uuid, instant)
    assert await content_byte(instant.disks[0].file, 50) == 7
    disk = (await read(backend)).disk("vda")
    assert disk is not None
    bitmap = disk.active.bitmap("vmsnap-op1")
    assert bitmap is not None
    assert bitmap.dirty_bytes == BLOCK


async def test_increment_merges_the_bitmaps_of_base_and_overlay(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    full = await an_instant(lab_directory, "vda")
    await through_finalize(backend, await read(backend), full)
    await backend.detach_targets(web.uuid, full)
    await web.qemu_io("vda", f"write -P 7 0 {BLOCK}")
    await put_overlay(web, lab_directory, bitmap="vmsnap-op1")
    await web.qemu_io("vda", f"write -P 8 {BLOCK} {BLOCK}")
    second = await an_instant(lab_directory, "vda", name="op2")
    merge = (RecordedIn("over", "vmsnap-op1"), RecordedIn("vda", "vmsnap-op1"))
    disk = replace(second.disks[0], level=DiskLevel.INCREMENTAL, merge=merge)
    second = replace(second, disks=(disk,))
    await through_finalize(backend, await read(backend), second)
    await backend.detach_targets(web.uuid, second)
    assert [await content_byte(disk.file, block) for block in (0, 1)] == [7, 8]


async def put_overlay(web: Machine, place: Path, bitmap: str = "") -> None:
    """An external snapshot, as any other tool would take it."""
    grown = await add_overlay(web.disks["vda"], place / "over.qcow2")
    file = {"driver": "file", "filename": str(grown.active)}
    over = {"driver": "qcow2", "node_name": "over", "file": file, "backing": None}
    await web.lab.execute("blockdev-add", **over)
    snapshot = {"node": "vda", "overlay": "over"}
    actions = [{"type": "blockdev-snapshot", "data": snapshot}]
    if bitmap:
        added = {"node": "over", "name": bitmap, "persistent": True}
        actions.append({"type": "block-dirty-bitmap-add", "data": added})
    await web.lab.execute("transaction", actions=actions)


async def test_abort_removes_bitmaps_below_an_overlay_that_was_put_on_top(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", speed_bytes_per_s=BLOCK)
    await web.qemu_io("vda", f"write -P 7 0 {64 * BLOCK}")
    await backend.attach_targets(web.uuid, instant)
    await backend.start_backup(web.uuid, instant)
    await put_overlay(web, lab_directory)
    assert await backend.backup_started(web.uuid, instant)
    await backend.abort_backup(web.uuid, instant, was_running=False)
    disk = (await read(backend)).disk("vda")
    assert disk is not None
    assert [image.node for image in disk.chain] == ["over", "vda"]
    names = {bitmap.name for image in disk.chain for bitmap in image.bitmaps}
    assert "vmsnap-op1-scratch" not in names


async def full_instant(
    web: Machine, place: Path, *, full_from_bytes: int = 0, speed_bytes_per_s: int = 0
) -> BackupInstant:
    """A target whose storage is full: writes to it say ENOSPC."""
    instant = await an_instant(place, "vda", speed_bytes_per_s=speed_bytes_per_s)
    file = instant.disks[0].file
    node = instant.disks[0].target_node
    rule = {"event": "none", "errno": 28, "iotype": "write", "once": False}
    if full_from_bytes:
        rule["sector"] = full_from_bytes // 512
    inner = {"driver": "file", "filename": file}
    debug = {"driver": "blkdebug", "inject-error": [rule], "image": inner}
    await web.lab.execute(
        "blockdev-add", driver="qcow2", node_name=node, backing=None, file=debug
    )
    return instant


async def test_full_target_fails_the_wait_with_the_path_and_the_old_stays(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    await web.qemu_io("vda", f"write -P 7 0 {64 * BLOCK}")
    backend = await opened(web)
    instant = await full_instant(web, lab_directory)
    await backend.start_backup(web.uuid, instant)
    with pytest.raises(StepFailed, match="no space left") as raised:
        await backend.await_jobs(web.uuid, instant, nothing)
    assert instant.disks[0].file in raised.value.evidence
    with pytest.raises(StepFailed, match="no space left"):
        await backend.finalize_jobs(web.uuid, instant)
    await backend.abort_backup(web.uuid, instant, was_running=False)
    vm = await read(backend)
    assert vm.jobs == ()
    assert vm.disks[0].active.bitmaps == ()


async def test_job_paused_by_the_operator_is_waited_for(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    await web.qemu_io("vda", f"write -P 7 0 {64 * BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", speed_bytes_per_s=8 * BLOCK)
    (job,) = instant.job_ids
    await backend.attach_targets(web.uuid, instant)
    await backend.start_backup(web.uuid, instant)
    await backend.pause_job(web.uuid, job)
    seen: set[JobStatus] = set()
    paused = asyncio.Event()

    def look(jobs: tuple[Job, ...]) -> None:
        seen.update(found.status for found in jobs)
        if JobStatus.PAUSED in seen:
            paused.set()

    waiting = asyncio.create_task(backend.await_jobs(web.uuid, instant, look))
    await paused.wait()
    await backend.set_job_speed(web.uuid, job, 0)
    await backend.resume_job(web.uuid, job)
    await waiting
    assert JobStatus.PENDING in seen


async def test_lost_monitor_is_an_unknown_outcome_and_the_work_goes_on(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    first = await opened(web)
    instant = await an_instant(lab_directory, "vda")
    await first.attach_targets(web.uuid, instant)
    await first.start_backup(web.uuid, instant)
    await first.close()
    with pytest.raises(ConnectionLost):
        await first.await_jobs(web.uuid, instant, nothing)
    second = await opened(web)
    assert await second.backup_started(web.uuid, instant)
    await second.await_jobs(web.uuid, instant, nothing)
    await second.finalize_jobs(web.uuid, instant)
    await second.detach_targets(web.uuid, instant)


async def test_killed_machine_is_gone_and_the_wait_ends(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", speed_bytes_per_s=BLOCK)
    await backend.attach_targets(web.uuid, instant)
    await backend.start_backup(web.uuid, instant)
    waiting = asyncio.create_task(backend.await_jobs(web.uuid, instant, nothing))
    await web.kill()
    with pytest.raises(ConnectionLost):
        await waiting
    assert await backend.is_gone(web.uuid)
    web.qmp_path.unlink()
    assert await backend.is_gone(web.uuid)


async def test_graph_is_not_read_while_a_job_runs_before_qemu_10(
    machine: StartMachine,
    opened: Opened,
    lab_directory: Path,
    qemu_version: tuple[int, int, int],
) -> None:
    web = await machine(DiskSpec("vda", chain_depth=2))
    await web.qemu_io("vda", f"write -P 7 0 {64 * BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", speed_bytes_per_s=BLOCK)
    await backend.attach_targets(web.uuid, instant)
    await backend.start_backup(web.uuid, instant)
    vm = await read(backend)
    (disk,) = vm.disks
    assert disk.unfit == "a job is at work on it"
    assert [image.path for image in disk.chain] == [
        str(path) for path in reversed(web.chain("vda"))
    ]
    assert [image.format for image in disk.chain] == ["qcow2", "qcow2"]
    assert [image.read_only for image in disk.chain] == [False, True]
    safe = qemu_version >= (10, 0, 0)
    assert vm.capabilities.graph_safe_during_jobs is safe
    assert [image.bitmaps_known for image in disk.chain] == [safe, safe]
    await backend.abort_backup(web.uuid, instant, was_running=False)
    assert (await read(backend)).disks[0].chain[1].bitmaps_known


async def test_many_backups_under_a_reader_leave_the_machine_alive(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    over = asyncio.Event()

    async def keep_reading() -> int:
        count = 0
        while not over.is_set():
            await backend.read()
            count += 1
        return count

    reader = asyncio.create_task(keep_reading())
    for number in range(15):
        instant = await an_instant(lab_directory, "vda", name=f"op{number}")
        await through_finalize(backend, await read(backend), instant)
        await backend.abort_backup(web.uuid, instant, was_running=False)
        await backend.drop_targets(web.uuid, instant)
    over.set()
    assert await reader > 15
    assert web.running


async def test_read_only_images_bitmap_stays_and_is_told(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda")
    await through_finalize(backend, await read(backend), instant)
    await backend.detach_targets(web.uuid, instant)
    await put_overlay(web, lab_directory)
    (kept,) = await backend.drop_bitmaps(web.uuid, (("vda", "vmsnap-op1"),))
    assert "vmsnap-op1" in kept
    assert "vda" in kept


async def fill(web: Machine, letter: bytes) -> None:
    """Write 4 MiB inside the guest, in the same place each time."""
    reader, writer = await asyncio.open_unix_connection(web.agent_path)

    async def ask(command: str, **arguments: Any) -> Any:
        asked = {name.replace("_", "-"): value for name, value in arguments.items()}
        line = json.dumps({"execute": command, "arguments": asked})
        writer.write(line.encode() + b"\n")
        return json.loads(await reader.readline())["return"]

    mode = "w" if letter == b"a" else "r+"
    handle = await ask("guest-file-open", path="/disks/vda/fill", mode=mode)
    data = base64.b64encode(letter * (1 << 20)).decode()
    for _ in range(4):
        await ask("guest-file-write", handle=handle, buf_b64=data)
    await ask("guest-file-flush", handle=handle)
    await ask("guest-file-close", handle=handle)
    writer.close()
    await writer.wait_closed()


@pytest.mark.guest
async def test_guest_that_the_backup_stopped_is_set_going(
    guest_machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    """Before QEMU 11 a full target stops the guest: the copy comes before its write."""
    web = await guest_machine(DiskSpec("vda"))
    await fill(web, b"a")
    backend = await opened(web)
    harmless = (await read(backend)).capabilities.backup_on_cbw_error
    instant = await full_instant(
        web, lab_directory, full_from_bytes=12 * BLOCK, speed_bytes_per_s=BLOCK
    )
    assert (await backend.start_backup(web.uuid, instant)).was_running
    writing = asyncio.create_task(fill(web, b"b"))
    if harmless:
        await writing
        await backend.set_job_speed(web.uuid, instant.job_ids[0], 0)
    with pytest.raises(StepFailed):
        await backend.await_jobs(web.uuid, instant, nothing)
    assert ((await read(backend)).state is VmState.IO_ERROR) is not harmless
    await backend.abort_backup(web.uuid, instant, was_running=True)
    assert (await read(backend)).state is VmState.RUNNING
    await writing


async def test_old_drives_and_raw_disks_are_backed_up_alike(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb", format="raw"), style="drive")
    await web.qemu_io("vda", f"write -P 7 0 {BLOCK}")
    await web.qemu_io("vdb", f"write -P 8 0 {BLOCK}")
    backend = await opened(web)
    instant = await an_instant(lab_directory, "vda", "vdb")
    raw = replace(instant.disks[1], persistent=False)
    instant = replace(instant, disks=(instant.disks[0], raw))
    await through_finalize(backend, await read(backend), instant)
    await backend.detach_targets(web.uuid, instant)
    stored = [await content_byte(disk.file, 0) for disk in instant.disks]
    assert stored == [7, 8]
    await web.qemu_io("vdb", f"write -P 9 {BLOCK} {BLOCK}")
    disk = (await read(backend)).disk("vdb")
    assert disk is not None
    bitmap = disk.active.bitmap("vmsnap-op1")
    assert bitmap is not None
    assert (bitmap.persistent, bitmap.dirty_bytes) == (False, BLOCK)


async def test_plan_of_a_chain_that_has_changed_is_refused(
    machine: StartMachine, opened: Opened, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"))
    backend = await opened(web)
    full = await an_instant(lab_directory, "vda")
    await through_finalize(backend, await read(backend), full)
    await backend.detach_targets(web.uuid, full)
    second = await an_instant(lab_directory, "vda", name="op2")
    merge = (RecordedIn("vda", "vmsnap-op1"),)
    disk = replace(second.disks[0], level=DiskLevel.INCREMENTAL, merge=merge)
    second = replace(second, disks=(disk,))
    await backend.attach_targets(web.uuid, second)
    await put_overlay(web, lab_directory)
    with pytest.raises(StepFailed, match="has changed"):
        await backend.start_backup(web.uuid, second)
    assert not await backend.backup_started(web.uuid, second)

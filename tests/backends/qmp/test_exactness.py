"""Increments under a guest that keeps writing add up to the disk, block for block."""

from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.lab.disks import DiskSpec, run_tool
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.point import DiskLevel

INCREMENTS = 5


async def back_up(backend: QmpBackend, vm: str, place: Path, number: int) -> Path:
    """The full is number 0; each increment stands on the one before it."""
    file = place / f"p{number}.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    parent = place / f"p{number - 1}.qcow2"
    if number:
        await run_tool([*create, "-b", parent, "-F", "qcow2", file])
    else:
        await run_tool([*create, file, "64M"])
    disk = DiskInstant(
        target="vda",
        file=str(file),
        target_node=f"vmsnap-t-{number}",
        level=DiskLevel.INCREMENTAL if number else DiskLevel.FULL,
        bitmap=f"b{number}",
        persistent=True,
        scratch_bitmap=f"s{number}",
        merge=(RecordedIn("vda", f"b{number - 1}"),) if number else (),
    )
    instant = BackupInstant(f"op{number}", (disk,))
    await backend.attach_targets(vm, instant)
    await backend.start_backup(vm, instant)
    await backend.await_jobs(vm, instant, lambda jobs: None)
    await backend.finalize_jobs(vm, instant)
    await backend.detach_targets(vm, instant)
    old = (("vda", f"b{number - 1}"),) if number else ()
    assert await backend.drop_bitmaps(vm, (("vda", disk.scratch_bitmap), *old)) == ()
    return file


@pytest.mark.guest
async def test_full_and_increments_under_load_equal_the_stopped_disk(
    guest_machine: StartMachine, lab_directory: Path
) -> None:
    web = await guest_machine(DiskSpec("vda"))
    backend = QmpBackend(web.connection)
    await backend.open()
    for number in range(INCREMENTS):
        file = await back_up(backend, web.uuid, lab_directory, number)
        await web.ask_agent("guest-fstrim")
    await web.lab.execute("stop")
    file = await back_up(backend, web.uuid, lab_directory, INCREMENTS)
    await backend.close()
    await web.stop()
    compare = ["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2"]
    said = await run_tool([*compare, web.active("vda"), file])
    assert "identical" in said

"""What is done by hand is right: a ratio to something broken would say nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.lab.by_hand import HandBackup, convert, freeze_and_start
from vmsnap_tui.lab.disks import DiskSpec


def _same(first: Path, second: Path) -> bool:
    compare = ["qemu-img", "compare", "-U", str(first), str(second)]
    return subprocess.run(compare, capture_output=True, check=False).returncode == 0


@pytest.mark.qemu
async def test_a_full_by_hand_is_the_disk(
    machine: StartMachine, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb"))
    await web.qemu_io("vda", "write -P 7 1M 1M")
    assert await HandBackup(web, lab_directory / "hand").take(increment=False) > 0
    await web.stop()
    for target in ("vda", "vdb"):
        assert _same(web.active(target), lab_directory / "hand" / f"{target}-1.qcow2")


@pytest.mark.qemu
async def test_an_increment_by_hand_holds_what_changed_since_the_last(
    machine: StartMachine, lab_directory: Path
) -> None:
    web = await machine()
    hand = HandBackup(web, lab_directory / "hand")
    await web.qemu_io("vda", "write -P 1 0 1M")
    await hand.record_changes()
    await web.qemu_io("vda", "write -P 2 2M 1M")
    await hand.take(increment=True)
    await web.qemu_io("vda", "write -P 3 4M 1M")
    await hand.take(increment=True)
    for number, offset_mib in ((1, 2), (2, 4)):
        path = lab_directory / "hand" / f"vda-{number}.qcow2"
        assert _allocated_mib(path) == [offset_mib]


def _allocated_mib(path: Path) -> list[int]:
    """Where data begins, by `qemu-img map`: OFFSET LENGTH MAPPED FILE."""
    done = subprocess.run(
        ["qemu-img", "map", path], capture_output=True, text=True, check=True
    )
    rows = done.stdout.splitlines()[1:]
    return [int(row.split()[0], 16) >> 20 for row in rows]


@pytest.mark.qemu
@pytest.mark.parametrize("to_format", ["raw", "qcow2"])
async def test_a_chain_is_converted_whole(
    machine: StartMachine, lab_directory: Path, to_format: str
) -> None:
    web = await machine(DiskSpec("vda", chain_depth=3))
    await web.qemu_io("vda", "write -P 7 0 1M")
    await web.stop()
    (lab_directory / "out").mkdir()
    assert await convert((web.active("vda"),), lab_directory / "out", to_format) > 0
    (written,) = (lab_directory / "out").iterdir()
    assert _same(web.active("vda"), written)


@pytest.mark.guest
async def test_a_guest_is_thawed_when_the_instant_is_taken(
    guest_machine: StartMachine, lab_directory: Path
) -> None:
    web = await guest_machine()
    calls = await freeze_and_start(web, HandBackup(web, lab_directory / "hand"))
    assert min(calls.freeze_s, calls.transaction_s, calls.thaw_s) > 0
    assert calls.sum_s >= calls.freeze_s + calls.thaw_s
    assert await web.ask_agent("guest-fsfreeze-status") == "thawed"

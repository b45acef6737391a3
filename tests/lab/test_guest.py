"""The lab's guest boots, its agent answers, and a freeze really stops its writes."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.guest import GuestFiles, NoGuest, guest_files
from vmsnap_tui.lab.machines import Machine


async def _next_write(machine: Machine, node: str) -> None:
    """Return when the guest writes to the disk; QEMU tells, once per arming."""
    await machine.lab.execute(
        "block-set-write-threshold", node_name=node, write_threshold=1
    )
    await machine.lab.wait_event("BLOCK_WRITE_THRESHOLD")


@pytest.mark.guest
async def test_a_freeze_stops_the_writes_and_a_thaw_lets_them_go(
    guest_machine: StartMachine,
) -> None:
    web = await guest_machine(DiskSpec("vda"))
    await _next_write(web, "vda")
    assert await web.ask_agent("guest-fsfreeze-freeze") == 1
    assert await web.ask_agent("guest-fsfreeze-status") == "frozen"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_next_write(web, "vda"), 1.5)
    assert await web.ask_agent("guest-fsfreeze-thaw") == 1
    await web.lab.wait_event("BLOCK_WRITE_THRESHOLD")


@pytest.mark.guest
async def test_the_guest_shuts_down_when_asked(guest_machine: StartMachine) -> None:
    web = await guest_machine(DiskSpec("vda"))
    assert await web.ask_agent("guest-get-osinfo")
    quiet = asyncio.create_task(web.ask_agent("guest-shutdown"))
    await web.wait()
    quiet.cancel()
    assert not web.running


@pytest.mark.guest
async def test_the_second_time_the_guest_is_there_already() -> None:
    first = await guest_files()
    assert isinstance(first, GuestFiles)
    built = first.kernel.stat().st_mtime_ns
    assert await guest_files() == first
    assert first.kernel.stat().st_mtime_ns == built


async def test_without_the_tools_there_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMSNAP_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = await guest_files()
    assert isinstance(found, NoGuest)
    assert "install" in found.reason
    assert list(tmp_path.iterdir()) == []

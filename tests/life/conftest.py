"""Machines that more than one life is about."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.rig import run
from tests.life.stranger import Stranger
from tests.life.writers import DISK_BYTES, SCRIPT
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.machines import Machine


@pytest.fixture
async def writing_guest(lab_directory: Path) -> AsyncIterator[Stranger]:
    """A guest that writes to two disks, each with a thread of its own."""
    files = await guest_files()
    assert isinstance(files, GuestFiles), files.reason
    disks = []
    for target in ("vda", "vdb"):
        path = lab_directory / f"{target}.qcow2"
        await run("qemu-img", "create", "-f", "qcow2", str(path), str(DISK_BYTES))
        disks.append(DiskSpec(target, path=path))
    spec = MachineSpec("web-01", tuple(disks), guest=True, iothreads=True)
    machine = Machine(spec, lab_directory / "machine", files)
    await machine.start()
    found = Stranger(machine, lab_directory)
    try:
        await machine.booted()
        await machine.ask_agent("guest-exec", path="/bin/sh", arg=["-c", SCRIPT])
        yield found
    finally:
        await found.shell.stop()
        await machine.kill()

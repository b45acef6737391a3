"""A lab machine is a real QEMU, and nothing of it outlives its owner."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.lab import machines
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec, add_overlay
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import CommandRefused, LabFailed, LabMonitor

pytestmark = pytest.mark.qemu


async def test_a_paused_machine_has_its_disks_as_devices(machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda", chain_depth=3), DiskSpec("vdb", "raw"))
    blocks = await web.lab.execute("query-block")
    assert [block["qdev"].split("/")[3] for block in blocks] == ["vda", "vdb"]
    assert blocks[0]["inserted"]["file"] == str(web.active("vda"))
    assert blocks[0]["inserted"]["node-name"] == "vda"
    assert blocks[0]["inserted"]["backing_file_depth"] == 2
    assert (await web.lab.execute("query-status"))["status"] == "prelaunch"


async def test_the_drive_style_leaves_node_names_to_qemu(machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda", chain_depth=2), style="drive")
    (block,) = await web.lab.execute("query-block")
    assert block["device"] == "drive-vda"
    assert block["inserted"]["node-name"].startswith("#block")
    assert await web.qemu_io("vda", "write -P 1 0 64k")


async def test_qemu_io_writes_reach_the_disk(machine: StartMachine) -> None:
    web = await machine()
    assert "wrote 65536" in await web.qemu_io("vda", "write -P 0x41 0 64k")
    assert "read 65536" in await web.qemu_io("vda", "read -P 0x41 0 64k")
    assert "discard 65536" in await web.qemu_io("vda", "discard 0 64k")


@pytest.mark.parametrize(
    "command", ["read -P 0x42 0 64k", "write 1T 64k", "wrote 0 64k", "write -q"]
)
async def test_qemu_io_that_failed_is_an_error(
    machine: StartMachine, command: str
) -> None:
    web = await machine()
    with pytest.raises(CommandRefused):
        await web.qemu_io("vda", command)


async def test_a_restart_finds_disks_and_sockets_again(machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda"), extra_monitor=True)
    await web.qemu_io("vda", "write -P 7 1M 64k")
    await web.stop()
    assert not web.running
    await web.start()
    assert await web.qemu_io("vda", "read -P 7 1M 64k")
    for path in (web.qmp_path, web.directory / "qmp2.sock"):
        monitor = await LabMonitor.connect(path)
        assert (await monitor.execute("query-name"))["name"] == "web-01"
        await monitor.close()


async def test_a_killed_machine_can_be_started_again(machine: StartMachine) -> None:
    web = await machine()
    first = web.pid
    await web.kill()
    assert not Path(f"/proc/{first}").exists()
    await web.start()
    assert web.pid != first


async def test_a_machine_that_died_alone_can_be_started_again(
    machine: StartMachine,
) -> None:
    web = await machine()
    with pytest.raises(LabFailed, match="runs already"):
        await web.start()
    os.kill(web.pid, signal.SIGKILL)
    with pytest.raises(LabFailed, match="went away"):
        await web.lab.execute("query-status")
    await web.wait()
    await web.start()
    assert web.running


async def test_a_hung_machine_is_killed(
    machine: StartMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "_QUIT_S", 0.1)
    web = await machine()
    os.kill(web.pid, signal.SIGSTOP)
    await web.stop()
    assert not web.running


async def test_the_next_start_opens_the_chain_that_was_left(
    machine: StartMachine,
) -> None:
    web = await machine()
    overlay = web.directory / "vda.s1.qcow2"
    await add_overlay(web.disks["vda"], overlay)
    node = {"driver": "qcow2", "node_name": "s1", "backing": None}
    file = {"driver": "file", "filename": str(overlay)}
    await web.lab.execute("blockdev-add", **node, file=file)
    await web.lab.execute("blockdev-snapshot", node="vda", overlay="s1")
    await web.qemu_io("vda", "write -P 9 0 64k")
    await web.stop()
    base = web.active("vda")
    web.switched("vda", (base, "qcow2"), (overlay, "qcow2"))
    await web.start()
    assert web.active("vda") == overlay
    assert await web.qemu_io("vda", "read -P 9 0 64k")


async def test_a_machine_that_cannot_start_says_why(lab_directory: Path) -> None:
    spec = MachineSpec("web-01", (DiskSpec("vda", path=Path("/nowhere/x.qcow2")),))
    web = Machine(spec, lab_directory / "m")
    with pytest.raises(LabFailed, match="nowhere"):
        await web.start()
    assert not web.running


async def test_images_and_sockets_are_private(machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda", chain_depth=2), DiskSpec("vdb", "raw"))
    assert web.directory.stat().st_mode & 0o777 == 0o700
    for path in web.directory.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


_OWNER = """
import asyncio, sys
from pathlib import Path
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.machines import Machine

async def main():
    machine = Machine(MachineSpec("web-01"), Path(sys.argv[1]))
    await machine.start()
    print(machine.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_killing_the_owner_leaves_no_qemu(lab_directory: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, lab_directory / "m"], stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        qemu = os.pidfd_open(int(owner.stdout.readline()))
        try:
            assert not select.select([qemu], [], [], 0)[0], "QEMU runs"
            owner.send_signal(signal.SIGKILL)
            assert select.select([qemu], [], [], 10)[0], "QEMU is gone"
        finally:
            os.close(qemu)

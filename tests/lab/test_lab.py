"""The demo's lab: two machines, a repository, and nothing left behind."""

from pathlib import Path

import pytest

from vmsnap_tui.lab.lab import Lab
from vmsnap_tui.lab.monitor import LabMonitor


@pytest.mark.qemu
async def test_the_machines_run_while_the_block_lasts() -> None:
    said: list[str] = []
    async with Lab(said.append, guests=False) as lab:
        names = [machine.name for machine in lab.machines]
        assert names == ["web-01", "db-01"]
        web, db = lab.machines
        assert len(web.chain("vda")) == 3
        assert db.active("vdb").suffix == ".raw"
        assert lab.repository.stat().st_mode & 0o777 == 0o700
        pids = [machine.pid for machine in lab.machines]
        directory = lab.repository.parent
        assert lab.guest_reason
    assert not directory.exists()
    assert not any(Path("/proc", str(pid)).exists() for pid in pids)
    assert said == ["starting web-01", "starting db-01"]


@pytest.mark.qemu
async def test_connections_name_sockets_that_answer() -> None:
    async with Lab(guests=False) as lab:
        for machine, connection in zip(lab.machines, lab.connections, strict=True):
            assert connection == (
                f"qmp://{machine.qmp_path}?agent={machine.agent_path}"
                f"&name={machine.name}"
            )
            monitor = await LabMonitor.connect(machine.qmp_path)
            assert await monitor.execute("query-uuid") == {"UUID": machine.uuid}
            await monitor.close()


@pytest.mark.guest
async def test_the_guests_boot_and_write() -> None:
    async with Lab() as lab:
        assert not lab.guest_reason
        await lab.booted()
        for machine in lab.machines:
            mounted = await machine.ask_agent("guest-get-fsinfo")
            places = {each["mountpoint"] for each in mounted}
            assert places == {"/disks/vda", "/disks/vdb"}

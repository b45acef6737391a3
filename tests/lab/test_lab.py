"""The demo's lab: machines, a domain, a repository, and nothing left behind."""

import importlib.util
from pathlib import Path

import pytest

from vmsnap_tui.lab import lab as lab_module
from vmsnap_tui.lab import libvirtd
from vmsnap_tui.lab.lab import Lab
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabFailed, LabMonitor


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
    assert said == ["starting web-01", "starting db-01", "starting libvirtd"]


@pytest.mark.qemu
async def test_connections_name_sockets_that_answer() -> None:
    async with Lab(guests=False) as lab:
        for machine, connection in zip(lab.machines, lab.connections, strict=False):
            assert connection == (
                f"qmp://{machine.qmp_path}?agent={machine.agent_path}"
                f"&name={machine.name}"
            )
            monitor = await LabMonitor.connect(machine.qmp_path)
            assert await monitor.execute("query-uuid") == {"UUID": machine.uuid}
            await monitor.close()


@pytest.mark.libvirt
async def test_a_domain_comes_while_the_ui_opens() -> None:
    async with Lab(guests=False) as lab:
        assert lab.libvirt_reason == ""
        (mail,) = lab.domains
        assert lab.connections[2:] == (mail.libvirtd.uri,)
        await lab.booted()
        assert await mail.libvirtd.virsh("list", "--name") == "mail-01"
        assert list(mail.disks) == ["vda", "vdb"]
        first_pid = mail.libvirtd.first_pid
    assert not Path("/proc", str(first_pid)).exists()


@pytest.mark.parametrize("missing", ["libvirt", "virsh"])
async def test_where_libvirt_is_not_the_lab_does_without(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "libvirt":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(lab_module, "unavailable", lambda: "not installed: virsh")
    async with Lab(guests=False) as lab:
        assert lab.domains == ()
        assert missing in lab.libvirt_reason
        assert len(lab.connections) == len(lab.machines)


@pytest.mark.libvirt
async def test_a_libvirtd_that_does_not_start_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libvirtd, "_LIBVIRTD_CONF", "no_such = {{")
    said: list[str] = []
    async with Lab(said.append, guests=False) as lab:
        assert "libvirtd did not start" in lab.libvirt_reason
        assert said[-1] == f"no libvirt: {lab.libvirt_reason}"
        assert [machine.running for machine in lab.machines] == [True, True]


async def test_a_machine_that_does_not_start_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(_: Machine) -> None:
        raise LabFailed("no memory")

    monkeypatch.setattr(Machine, "start", refused)
    lab = Lab(guests=False)
    with pytest.raises(LabFailed, match="no memory"):
        async with lab:
            pass
    assert not lab.repository.parent.exists()


@pytest.mark.guest
async def test_the_guests_boot_and_write() -> None:
    async with Lab() as lab:
        assert not lab.guest_reason
        await lab.booted()
        for machine in lab.machines:
            mounted = await machine.ask_agent("guest-get-fsinfo")
            places = {each["mountpoint"] for each in mounted}
            assert places == {"/disks/vda", "/disks/vdb"}
        (mail,) = lab.domains
        said = await mail.libvirtd.virsh("domfsinfo", mail.name)
        assert "/disks/vda" in said and "/disks/vdb" in said

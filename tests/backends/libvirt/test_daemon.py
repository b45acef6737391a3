"""A session on a real libvirtd that is stopped, killed, hung and kept from us."""

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from tests.backends.libvirt.watched import Watched
from tests.conftest import StartLibvirtd
from vmsnap_tui.backends.base import Link
from vmsnap_tui.backends.libvirt.failures import LibvirtRefused
from vmsnap_tui.backends.libvirt.occupancy import Occupied
from vmsnap_tui.backends.libvirt.session import CallOverdue
from vmsnap_tui.errors import ConnectionLost, NoConnection
from vmsnap_tui.lab.libvirtd import Libvirtd

pytestmark = pytest.mark.qemu

_XML = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
"""

_NOBODY = 65534


@pytest.fixture
async def daemon(libvirtd: StartLibvirtd) -> Libvirtd:
    return await libvirtd(others="read")


@pytest.fixture
async def watched(daemon: Libvirtd) -> AsyncIterator[Watched]:
    watched = Watched(daemon.uri)
    await watched.session.open()
    yield watched
    await watched.session.close()


async def _run(watched: Watched, name: str) -> str:
    """Start a machine without disks, paused; returns its UUID."""

    def start(connection: libvirt.virConnect) -> str:
        domain = connection.createXML(
            _XML.format(name=name), libvirt.VIR_DOMAIN_START_PAUSED
        )
        return domain.UUIDString()

    return await watched.session.act(start)


def _status(connection: libvirt.virConnect, uuid: str) -> str:
    """Ask QEMU itself, and so hang with it."""
    domain = connection.lookupByUUIDString(uuid)
    return libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-status"}', 0)


def _names(connection: libvirt.virConnect) -> list[str]:
    return sorted(domain.name() for domain in connection.listAllDomains())


def _came(watched: Watched, name: str, **data: Any) -> bool:
    return any(
        heard.name == name and data.items() <= heard.data.items()
        for heard in watched.heard
    )


async def test_daemon_and_driver_are_known(watched: Watched) -> None:
    assert watched.session.driver == "QEMU"
    assert watched.session.libvirt_version >= (9, 0, 0)
    assert watched.session.host_name
    assert watched.session.read_only == ""
    assert await watched.session.hypervisor_version() >= (7, 2, 0)


async def test_what_others_do_is_heard_in_qemus_words_too_and_taints_nothing(
    daemon: Libvirtd, watched: Watched
) -> None:
    uuid = await _run(watched, "web-01")
    await daemon.virsh("resume", "web-01")
    await daemon.virsh("suspend", "web-01")
    at_s = time.time()
    await watched.until(lambda: _came(watched, "STOP"))
    await watched.until(
        lambda: _came(watched, "lifecycle", event="suspended", detail="paused")
    )
    assert _came(watched, "RESUME")
    stop = next(heard for heard in watched.heard if heard.name == "STOP")
    assert (stop.domain_name, stop.domain_uuid) == ("web-01", uuid)
    assert abs(stop.at_s - at_s) < 5
    assert "custom-monitor" not in daemon.log("web-01").read_text()


@pytest.mark.parametrize("how", ["terminate", "kill"])
async def test_a_daemon_that_comes_back_is_come_back_to(
    daemon: Libvirtd, watched: Watched, how: str
) -> None:
    await _run(watched, "web-01")
    await (daemon.terminate() if how == "terminate" else daemon.kill())
    await watched.until(lambda: watched.session.link is Link.DOWN)
    with pytest.raises(ConnectionLost, match="not connected"):
        await watched.session.watch(_names)
    await watched.until(lambda: "no libvirtd listens there" in watched.links[-1].reason)
    await daemon.start()
    back_s = time.monotonic()
    await watched.until(lambda: watched.session.link is Link.UP)
    assert time.monotonic() - back_s < 5
    assert await watched.session.watch(_names) == ["web-01"]
    watched.heard.clear()
    await daemon.virsh("resume", "web-01")
    await watched.until(lambda: _came(watched, "RESUME"))
    await watched.until(lambda: _came(watched, "lifecycle", event="resumed"))
    assert len([one for one in watched.heard if one.name == "RESUME"]) == 1


async def test_a_call_that_the_daemon_died_in_may_have_taken_effect(
    daemon: Libvirtd, watched: Watched
) -> None:
    uuid = await _run(watched, "web-01")
    await daemon.signal("web-01", "STOP")
    with pytest.raises(CallOverdue):
        await watched.session.act(_status, uuid, domain=uuid, timeout_s=0.1)
    call = asyncio.create_task(watched.session.watch(_status, uuid))
    await watched.session.watch(_names)
    await daemon.kill()
    with pytest.raises(ConnectionLost) as caught:
        await call
    assert not isinstance(caught.value, CallOverdue)
    assert caught.value.evidence.startswith("_status: ")


async def test_a_qemu_that_hangs_keeps_nobody_else_waiting(
    daemon: Libvirtd, watched: Watched
) -> None:
    """A stopped QEMU answers nothing, for ever; libvirt waits as long."""
    session = watched.session
    hung, well = await _run(watched, "hung"), await _run(watched, "well")
    await daemon.signal("hung", "STOP")
    calls = [
        session.watch(_status, hung, domain=hung, timeout_s=0.5, doing="ask")
        for _ in range(6)
    ]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == [
        *["CallOverdue"] * 2,
        *["Occupied"] * 4,
    ]
    with pytest.raises(Occupied, match="ask ought to have returned"):
        await session.act(_status, hung, domain=hung)
    assert '"prelaunch"' in await session.watch(_status, well, domain=well)
    assert await session.watch(_names) == ["hung", "well"]
    await daemon.signal("hung", "CONT")
    async with asyncio.timeout(20):
        while True:
            try:
                status = await session.watch(_status, hung, domain=hung)
                break
            except Occupied:
                await asyncio.sleep(0)
    assert '"prelaunch"' in status
    assert session.link is Link.UP


@contextmanager
def _without_rights(socket: Path) -> Iterator[None]:
    """As a user who may not open the socket; root becomes another for a while."""
    if os.geteuid() != 0:
        mode = stat.S_IMODE(socket.stat().st_mode)
        socket.chmod(0)
        yield
        socket.chmod(mode)
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_without_rights_it_is_read_only_and_says_which_right_is_missing(
    daemon: Libvirtd, watched: Watched
) -> None:
    uuid = await _run(watched, "web-01")
    socket = daemon.directory / "run/libvirt/libvirt-sock"
    reader = Watched(daemon.uri)
    with _without_rights(socket):
        await reader.session.open()
    assert reader.session.link is Link.UP
    assert reader.session.read_only.startswith(f"read-only: {socket} belongs to ")
    assert "with mode 0" in reader.session.read_only
    assert reader.links[-1].reason == reader.session.read_only
    assert await reader.session.watch(_names) == ["web-01"]
    with pytest.raises(LibvirtRefused, match="the connection is read-only"):
        await reader.session.act(lambda c: c.lookupByUUIDString(uuid).resume())
    await daemon.virsh("resume", "web-01")
    await reader.until(lambda: _came(reader, "lifecycle", event="resumed"))
    assert not _came(reader, "RESUME")
    await daemon.kill()
    await reader.until(lambda: reader.session.link is Link.DOWN)
    await daemon.start()
    await reader.until(lambda: reader.session.link is Link.UP)
    assert reader.session.read_only == ""
    await reader.session.close()


async def test_without_any_rights_it_is_no_connection(libvirtd: StartLibvirtd) -> None:
    daemon = await libvirtd(others="none")
    socket = daemon.directory / "run/libvirt/libvirt-sock"
    (socket.parent / "libvirt-sock-ro").chmod(0)
    reader = Watched(daemon.uri)
    with _without_rights(socket), pytest.raises(NoConnection) as caught:
        await reader.session.open()
    assert "may not be reached by this user" in caught.value.cause
    assert "Permission denied" in caught.value.evidence
    assert "read-only: " in caught.value.evidence
    assert caught.value.remedy


async def test_where_polkit_does_not_grant_the_right_it_is_read_only(
    libvirtd: StartLibvirtd,
) -> None:
    """No matter whether polkit says no, has nobody to ask, or is not there."""
    daemon = await libvirtd(others="write")
    await daemon.terminate()
    (settings,) = daemon.directory.rglob("libvirtd.conf")
    words = settings.read_text().replace('rw = "none"', 'rw = "polkit"')
    settings.write_text(words)
    await daemon.start()
    reader = Watched(daemon.uri)
    with _without_rights(settings):
        await reader.session.open()
    said = reader.session.read_only
    assert said.startswith("read-only: the right org.libvirt.unix.manage is missing (")
    assert "usermod -aG libvirt USER" in said
    assert await reader.session.watch(_names) == []
    await reader.session.close()


def test_one_loop_after_another_reaches_the_daemon(lab_directory: Path) -> None:
    async def scenario(name: str) -> None:
        daemon = Libvirtd(lab_directory / name)
        await daemon.start()
        try:
            watched = Watched(daemon.uri)
            await watched.session.open()
            await _run(watched, name)
            await watched.until(lambda: _came(watched, "lifecycle", event="started"))
            await watched.session.close()
        finally:
            await daemon.stop()

    for name in ("one", "two"):
        asyncio.run(scenario(name), debug=True)

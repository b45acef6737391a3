"""Calls that may hang have connections of their own, and keep nobody waiting."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import libvirt
import pytest

from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.backends.libvirt.failures import LibvirtNotFound
from vmsnap_tui.backends.libvirt.occupancy import Occupied
from vmsnap_tui.backends.libvirt.session import CallOverdue
from vmsnap_tui.backends.libvirt.side_line import SideLine
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.errors import ConnectionLost, NoConnection

pytestmark = pytest.mark.libvirt

_SLOW_S, _SHORT_S = 10.0, 0.2


class Held:
    """A call that returns when it is told to."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.__name__ = "held"

    def __call__(self, _connection: Any) -> str:
        self.free.wait(30)
        return "returned"


def which(connection: Any) -> int:
    assert connection.isAlive()
    return id(connection)


@pytest.fixture
async def line(libvirtd: StartLibvirtd) -> AsyncIterator[SideLine]:
    line = SideLine(parse_uri((await libvirtd()).uri))
    yield line
    line.close()


async def test_a_connection_serves_again_and_two_calls_share_none(
    line: SideLine,
) -> None:
    first = await line.ask(which, domain="a", timeout_s=_SLOW_S)
    assert await line.ask(which, domain="a", timeout_s=_SLOW_S) == first
    held = Held()
    busy = asyncio.create_task(line.ask(held, domain="a", timeout_s=_SLOW_S))
    await asyncio.sleep(0)
    assert await line.ask(which, domain="b", timeout_s=_SLOW_S) != first
    held.free.set()
    assert await busy == "returned"


async def test_a_call_that_hangs_is_left_behind_and_its_domain_not_asked_again(
    line: SideLine,
) -> None:
    held = Held()
    with pytest.raises(CallOverdue):
        await line.ask(held, domain="a", timeout_s=_SHORT_S)
    with pytest.raises(Occupied):
        await line.ask(which, domain="a", timeout_s=_SLOW_S)
    assert await line.ask(which, domain="b", timeout_s=_SLOW_S)
    held.free.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await line.ask(which, domain="a", timeout_s=_SLOW_S)
                return
            except Occupied:
                await asyncio.sleep(0)


async def test_a_call_nobody_waits_for_any_more_keeps_its_connection(
    line: SideLine,
) -> None:
    held = Held()
    call = asyncio.create_task(line.ask(held, domain="a", timeout_s=_SLOW_S))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(Occupied):
        await line.ask(which, domain="a", timeout_s=_SLOW_S)
    held.free.set()


async def test_what_libvirt_refuses_is_told_in_the_operators_words(
    line: SideLine,
) -> None:
    def lookup(connection: Any) -> Any:
        return connection.lookupByName("nobody")

    with pytest.raises(LibvirtNotFound):
        await line.ask(lookup, domain="a", timeout_s=_SLOW_S)

    def broken(_connection: Any) -> None:
        raise ValueError("not libvirt's")

    with pytest.raises(ValueError, match="not libvirt's"):
        await line.ask(broken, domain="a", timeout_s=_SLOW_S)


async def test_a_daemon_that_went_is_reached_again_once_it_is_back(
    libvirtd: StartLibvirtd,
) -> None:
    daemon = await libvirtd()
    line = SideLine(parse_uri(daemon.uri))

    def alive(connection: Any) -> int:
        return int(connection.getLibVersion())

    assert await line.ask(alive, domain="a", timeout_s=_SLOW_S)
    await daemon.kill()
    with pytest.raises(ConnectionLost):
        await line.ask(alive, domain="a", timeout_s=_SLOW_S)
    with pytest.raises(NoConnection):
        await line.ask(alive, domain="a", timeout_s=_SLOW_S)
    await daemon.start()
    line.forget()
    assert await line.ask(alive, domain="a", timeout_s=_SLOW_S)
    line.close()


async def test_a_read_only_line_may_not_act(libvirtd: StartLibvirtd) -> None:
    line = SideLine(parse_uri((await libvirtd(others="read")).uri))

    def define(connection: Any) -> Any:
        return connection.defineXML("<domain/>")

    with pytest.raises(Exception, match="may not do that|read"):
        await line.ask(define, domain="a", timeout_s=_SLOW_S, read_only=True)
    line.close()


async def test_a_real_machine_that_hangs_delays_no_other(domain: StartDomain) -> None:
    web = await domain()
    other = await domain(name="other")
    line = SideLine(parse_uri(web.connection))

    def sizes(connection: Any, uuid: str) -> int:
        found = connection.lookupByUUIDString(uuid)
        block = libvirt.VIR_DOMAIN_STATS_BLOCK
        return len(connection.domainListGetStats([found], block, 0))

    await web.signal("STOP")
    with pytest.raises(CallOverdue):
        await line.ask(sizes, web.uuid, domain=web.uuid, timeout_s=_SHORT_S)
    async with asyncio.timeout(4):
        for _ in range(10):
            assert await line.ask(sizes, other.uuid, domain="b", timeout_s=_SLOW_S)
    await web.signal("CONT")
    line.close()

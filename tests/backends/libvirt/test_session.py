"""A session on libvirt's driver for tests, inside this process."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import libvirt
import pytest

from tests.backends.libvirt.watched import Watched
from vmsnap_tui.backends.base import Link
from vmsnap_tui.backends.libvirt.failures import LibvirtNotFound, LibvirtRefused
from vmsnap_tui.backends.libvirt.lane import THREADS
from vmsnap_tui.backends.libvirt.occupancy import Occupied
from vmsnap_tui.backends.libvirt.session import CallOverdue
from vmsnap_tui.errors import ConnectionLost, NoConnection


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched("test:///default")
    await watched.session.open()
    yield watched
    await watched.session.close()


class Held:
    """A blocking call that returns when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.free = threading.Event()

    def __call__(self, _connection: Any) -> str:
        self.begun.release()
        self.free.wait(30)
        return "returned"

    async def has_begun(self, times: int = 1) -> None:
        for _ in range(times):
            assert await asyncio.to_thread(self.begun.acquire, timeout=10)


async def test_coming_up_and_closing_are_told(watched: Watched) -> None:
    assert watched.session.link is Link.UP
    assert watched.session.driver == "TEST"
    assert watched.session.libvirt_version >= (9, 0, 0)
    await watched.session.open()
    await watched.session.close()
    await watched.session.close()
    assert [change.link for change in watched.links] == [
        Link.CONNECTING,
        Link.UP,
        Link.DOWN,
    ]
    assert not watched.session.connected
    with pytest.raises(ConnectionLost, match="not connected"):
        await watched.session.watch(lambda c: c.getType())


async def test_it_may_be_opened_again_after_closing(watched: Watched) -> None:
    await watched.session.close()
    await watched.session.open()
    assert await watched.session.watch(lambda c: c.getType()) == "TEST"


async def test_what_cannot_be_opened_is_closed_with_the_reason() -> None:
    watched = Watched("qemu:///system?socket=/nowhere/libvirt-sock")
    with pytest.raises(NoConnection):
        await watched.session.open()
    assert [change.link for change in watched.links] == [Link.CONNECTING, Link.DOWN]
    assert "/nowhere/libvirt-sock" in watched.links[-1].reason
    await watched.session.close()


def test_one_loop_after_another_hears_its_own_events() -> None:
    async def scenario() -> None:
        watched = Watched("test:///default")
        await watched.session.open()
        await watched.session.act(lambda c: c.lookupByName("test").suspend())
        await watched.session.act(lambda c: c.lookupByName("test").resume())
        await watched.until(
            lambda: any(heard.data.get("event") == "resumed" for heard in watched.heard)
        )
        await watched.session.close()

    for _ in range(4):
        asyncio.run(scenario(), debug=True)


async def test_both_lanes_give_answers_and_take_values(watched: Watched) -> None:
    session = watched.session
    name = await session.watch(lambda c, name: c.lookupByName(name).name(), "test")
    assert name == "test"
    assert await session.act(lambda c: len(c.listAllDomains())) >= 1
    assert (await session.hypervisor_version()) >= (0, 0, 2)


async def test_what_libvirt_refuses_is_told_with_what_was_done(
    watched: Watched,
) -> None:
    session = watched.session
    with pytest.raises(LibvirtNotFound, match="look up web-01: VIR_ERR_NO_DOMAIN"):
        await session.watch(lambda c: c.lookupByName("web-01"), doing="look up web-01")
    with pytest.raises(LibvirtRefused, match="VIR_ERR_NO_SUPPORT") as caught:
        await session.act(lambda c: c.lookupByName("test").blockJobInfo("vda"))
    assert caught.value.code == libvirt.VIR_ERR_NO_SUPPORT


async def test_what_else_a_call_raises_is_the_callers(watched: Watched) -> None:
    with pytest.raises(ZeroDivisionError):
        await watched.session.watch(lambda c: 1 / len(c.listAllDomains()[:0]))


async def test_the_fifth_call_waits_and_does_not_fail(watched: Watched) -> None:
    held = Held()
    calls = [asyncio.create_task(watched.session.watch(held)) for _ in range(THREADS)]
    await held.has_begun(THREADS)
    fifth = asyncio.create_task(watched.session.watch(lambda c: c.getType()))
    await asyncio.sleep(0)
    held.free.set()
    assert await fifth == "TEST"
    assert await asyncio.gather(*calls) == ["returned"] * THREADS


async def test_a_call_that_found_no_thread_in_time_was_not_made(
    watched: Watched,
) -> None:
    held = Held()
    calls = [asyncio.create_task(watched.session.watch(held)) for _ in range(THREADS)]
    await held.has_begun(THREADS)
    made: list[int] = []
    with pytest.raises(Occupied, match="not sent within"):
        await watched.session.watch(lambda _: made.append(1), timeout_s=0.01)
    held.free.set()
    await asyncio.gather(*calls)
    await watched.session.watch(lambda c: c.getType())
    assert made == []


async def test_a_machine_that_hangs_is_refused_until_its_call_returns(
    watched: Watched,
) -> None:
    session, held = watched.session, Held()
    with pytest.raises(CallOverdue, match="freeze: no answer within"):
        await session.act(held, domain="a", timeout_s=0.05, doing="freeze")
    for call in (session.watch, session.act):
        with pytest.raises(Occupied, match="freeze ought to have returned"):
            await call(lambda c: c.getType(), domain="a")
        assert await call(lambda c: c.getType(), domain="b") == "TEST"
        assert await call(lambda c: c.getType()) == "TEST"
    held.free.set()
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await session.watch(lambda c: c.getType(), domain="a")
                break
            except Occupied:
                await asyncio.sleep(0)
    assert answer == "TEST"
    assert watched.session.link is Link.UP


async def test_one_machine_gets_only_half_of_the_threads(watched: Watched) -> None:
    session, held = watched.session, Held()
    calls = [asyncio.create_task(session.watch(held, domain="a")) for _ in range(6)]
    await held.has_begun(THREADS // 2)
    assert await session.watch(lambda c: c.getType(), domain="b") == "TEST"
    held.free.set()
    assert await asyncio.gather(*calls) == ["returned"] * 6


async def test_new_connections_are_made_when_no_thread_is_left(
    watched: Watched,
) -> None:
    session, held = watched.session, Held()
    calls = [
        session.watch(held, domain=domain, timeout_s=0.2, doing="read")
        for domain in ("a", "a", "b", "b")
    ]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [CallOverdue] * 4
    await watched.until(lambda: len(watched.links) == 4)
    assert [change.link for change in watched.links[2:]] == [Link.DOWN, Link.UP]
    assert "4 calls unanswered" in watched.links[2].reason
    assert await session.watch(lambda c: c.getType(), domain="c") == "TEST"
    with pytest.raises(Occupied):
        await session.watch(lambda c: c.getType(), domain="a")
    held.free.set()


async def test_a_call_whose_caller_goes_away_keeps_its_turn_until_it_returns(
    watched: Watched,
) -> None:
    session, held = watched.session, Held()
    callers = [asyncio.create_task(session.watch(held, domain="a")) for _ in range(2)]
    await held.has_begun(2)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    with pytest.raises(Occupied, match="no turn within"):
        await session.watch(lambda c: c.getType(), domain="a", timeout_s=0.01)
    held.free.set()
    assert await session.watch(lambda c: c.getType(), domain="a") == "TEST"


async def test_closing_does_not_wait_for_a_call_that_hangs(watched: Watched) -> None:
    held = Held()
    call = asyncio.create_task(watched.session.watch(held))
    await held.has_begun()
    async with asyncio.timeout(10):
        await watched.session.close()
    held.free.set()
    assert await call == "returned"


def test_the_process_ends_though_a_call_never_returns() -> None:
    code = """
import asyncio, threading
from vmsnap_tui.backends.libvirt.session import CallOverdue, Session
from vmsnap_tui.backends.libvirt.uri import parse_uri
async def main():
    session = Session(parse_uri("test:///default"), print, lambda change: None)
    await session.open()
    try:
        await session.watch(lambda _: threading.Event().wait(), timeout_s=0.1)
    except CallOverdue:
        print("overdue")
    await session.close()
asyncio.run(main())
"""
    said = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "overdue\n", "")

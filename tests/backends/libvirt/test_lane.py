"""A connection's threads: four calls at once, and nobody closes under another."""

import asyncio
import threading

import libvirt
import pytest

from vmsnap_tui.backends.libvirt import event_thread
from vmsnap_tui.backends.libvirt.lane import THREADS, Call, Lane, hang_up, post


@pytest.fixture
def connection() -> libvirt.virConnect:
    event_thread.start()
    return libvirt.open("test:///default")


async def _made(lane: Lane, call: Call) -> Call:
    lane.submit(call)
    await call.settled
    return call


async def test_a_call_gets_the_connection_and_gives_its_answer(
    connection: libvirt.virConnect,
) -> None:
    lane = Lane(connection)
    call = await _made(lane, Call(lambda c: c.getType()))
    assert (call.result, call.error) == ("TEST", None)
    lane.retire()
    await lane.ended.wait()


async def test_whatever_a_call_raises_is_kept_and_the_thread_goes_on(
    connection: libvirt.virConnect,
) -> None:
    lane = Lane(connection)
    for wrong in (
        ZeroDivisionError,
        KeyboardInterrupt,
        SystemExit,
        libvirt.libvirtError,
    ):
        for _ in range(THREADS):

            def fail(_connection: object, wrong: type[BaseException] = wrong) -> None:
                raise wrong("no")

            call = await _made(lane, Call(fail))
            assert type(call.error) is wrong
            assert not call.cut_off
    assert (await _made(lane, Call(lambda c: c.getType()))).result == "TEST"
    lane.retire()
    await lane.ended.wait()


async def test_the_fifth_call_waits_for_one_of_four(
    connection: libvirt.virConnect,
) -> None:
    lane = Lane(connection)
    together, release = threading.Barrier(THREADS + 1), threading.Event()

    def hold(_connection: object) -> None:
        together.wait(10)
        release.wait(10)

    held = [Call(hold) for _ in range(THREADS)]
    fifth = Call(lambda c: c.getType())
    for call in (*held, fifth):
        lane.submit(call)
    await asyncio.to_thread(together.wait, 10)
    assert not fifth.settled.done()
    release.set()
    await fifth.settled
    assert fifth.result == "TEST"
    lane.retire()
    await lane.ended.wait()


async def test_a_call_that_was_withdrawn_is_never_made(
    connection: libvirt.virConnect,
) -> None:
    lane = Lane(connection)
    made = []
    call = Call(lambda _: made.append(1))
    assert call.withdraw()
    lane.submit(call)
    lane.retire()
    await lane.ended.wait()
    assert made == []
    assert not (await _late()).withdraw()


async def _late() -> Call:
    call = Call(lambda _: None)
    assert call.begin()
    return call


async def test_the_connection_is_closed_when_its_last_call_has_returned(
    connection: libvirt.virConnect,
) -> None:
    lane = Lane(connection)
    begun, release = threading.Event(), threading.Event()

    def hold(held: libvirt.virConnect) -> str:
        begun.set()
        release.wait(10)
        return str(held.getType())

    call = Call(hold)
    lane.submit(call)
    await asyncio.to_thread(begun.wait, 10)
    lane.retire()
    lane.retire()
    assert not lane.ended.is_set()
    release.set()
    await call.settled
    await lane.ended.wait()
    assert call.result == "TEST"
    with pytest.raises(libvirt.libvirtError):
        connection.getType()


def test_hanging_up_lets_go_of_all_callbacks(connection: libvirt.virConnect) -> None:
    connection.domainEventRegisterAny(None, 0, lambda *_: None, None)
    connection.registerCloseCallback(lambda *_: None, None)
    hang_up(connection)
    assert connection.domainEventCallbackID == {}


def test_nobody_is_told_in_a_loop_that_is_closed() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    post(loop, lambda: None)

import gc

from vmsnap_tui.backends.base import BackendEvent, VmChanged, WireHeard
from vmsnap_tui.backends.listeners import QUEUE_EVENTS, Listeners


def heard(number: int) -> WireHeard:
    return WireHeard("web", "RESUME", {}, number)


async def rest(listeners: Listeners, told: list[BackendEvent]) -> list[BackendEvent]:
    listener = listeners.listen()
    for event in told:
        listeners.tell(event)
    listeners.end()
    return [event async for event in listener]


async def test_listener_that_falls_behind_loses_the_oldest() -> None:
    told: list[BackendEvent] = [heard(number) for number in range(QUEUE_EVENTS + 2)]
    assert await rest(Listeners(), told) == told[2:]


async def test_change_is_told_once_until_it_was_heard() -> None:
    listeners = Listeners()
    listener = listeners.listen()
    for _ in range(3):
        listeners.tell(VmChanged("web"))
    assert await anext(listener) == VmChanged("web")
    listeners.tell(VmChanged("web"))
    listeners.end()
    assert [event async for event in listener] == [VmChanged("web")]


async def test_change_is_not_lost_by_falling_behind() -> None:
    told: list[BackendEvent] = [VmChanged("web")]
    told += [heard(number) for number in range(QUEUE_EVENTS * 2)]
    left = await rest(Listeners(), told)
    assert left.count(VmChanged("web")) == 1
    assert len(left) == QUEUE_EVENTS


async def test_what_was_heard_before_the_end_is_still_told() -> None:
    assert await rest(Listeners(), [VmChanged("web")]) == [VmChanged("web")]


def test_abandoned_listener_is_forgotten() -> None:
    listeners = Listeners()
    listeners.listen()
    gc.collect()
    assert listeners.count == 0

import gc

from vmsnap_tui.backends.base import VmChanged
from vmsnap_tui.backends.listeners import QUEUE_EVENTS, Listeners


async def test_listener_that_falls_behind_loses_the_oldest() -> None:
    listeners = Listeners()
    listener = listeners.listen()
    for number in range(QUEUE_EVENTS + 2):
        listeners.tell(VmChanged(str(number)))
    assert await anext(listener) == VmChanged("2")


async def test_what_was_heard_before_the_end_is_still_told() -> None:
    listeners = Listeners()
    listener = listeners.listen()
    listeners.tell(VmChanged("web"))
    listeners.end()
    assert [event async for event in listener] == [VmChanged("web")]


def test_abandoned_listener_is_forgotten() -> None:
    listeners = Listeners()
    listeners.listen()
    gc.collect()
    assert listeners.count == 0

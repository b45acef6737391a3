"""Fan-out of a backend's events to any number of listeners, each with its own bound."""

import asyncio
from collections import deque
from weakref import WeakSet

from vmsnap_tui.backends.base import BackendEvent, VmChanged

QUEUE_EVENTS = 1000
"""A UI that falls this far behind reads afresh anyway; the oldest go first."""


class Listener:
    """One listener's events from now on; ends when the backend is closed."""

    def __init__(self) -> None:
        self._queue: deque[BackendEvent] = deque()
        self._changes: set[VmChanged] = set()
        self._stirred = asyncio.Event()
        self._over = False

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> BackendEvent:
        while not self._queue:
            if self._over:
                raise StopAsyncIteration
            self._stirred.clear()
            await self._stirred.wait()
        event = self._queue.popleft()
        if isinstance(event, VmChanged):
            self._changes.discard(event)
        return event

    def put(self, event: BackendEvent) -> None:
        """One that says again what is still to be heard is left out; a `VmChanged`
        does not fall off the end, as nothing else would have the machine read."""
        if isinstance(event, VmChanged):
            if event in self._changes:
                return
            self._changes.add(event)
        if len(self._queue) == QUEUE_EVENTS:
            oldest = self._queue.popleft()
            if isinstance(oldest, VmChanged):
                self._queue.popleft()
                self._queue.append(oldest)
        self._queue.append(event)
        self._stirred.set()

    def end(self) -> None:
        self._over = True
        self._stirred.set()


class Listeners:
    """All listeners of a backend; one that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._all: WeakSet[Listener] = WeakSet()

    def listen(self) -> Listener:
        listener = Listener()
        self._all.add(listener)
        return listener

    @property
    def count(self) -> int:
        return len(self._all)

    def tell(self, event: BackendEvent) -> None:
        for listener in tuple(self._all):
            listener.put(event)

    def end(self) -> None:
        for listener in tuple(self._all):
            listener.end()

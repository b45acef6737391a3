"""One libvirt connection, and the few threads that may call on it.

libvirt's calls block, some for ever. libvirtd lets five calls of a client wait and
leaves the sixth unread, so no more than four are made at once. The threads are
daemons: one that never returns does not keep the process from ending.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import libvirt
import libvirt_qemu

from vmsnap_tui.backends.libvirt.failures import cut_off

THREADS = 4

_log = logging.getLogger(__name__)


class Call:
    """One blocking call, from the queue to its answer.

    What was raised is kept for the caller, whatever it is.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.cut_off = False
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._begun = False
        self._withdrawn = False

    def begin(self) -> bool:
        """In the thread: whether it is still wanted, and now under way."""
        with self._lock:
            self._begun = not self._withdrawn
            return self._begun

    def withdraw(self) -> bool:
        """Whether it had not begun, and never will."""
        with self._lock:
            self._withdrawn = not self._begun
            return self._withdrawn

    def run(self, connection: Any) -> None:
        """In the thread: make the call, and have its caller told."""
        with self:
            self.result = self.function(connection)
        if isinstance(self.error, libvirt.libvirtError):
            self.cut_off = cut_off(self.error) or not _alive(connection)
        post(self._loop, self._settle)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        self.error = error
        return True


class Lane:
    """Takes calls, makes up to four at a time, and hangs up when it is retired."""

    def __init__(self, connection: Any) -> None:
        self.overdue = 0
        """Of its threads, how many hold a call that nobody waits for any more."""
        self.ended = asyncio.Event()
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._working = THREADS
        self._retired = False
        for _ in range(THREADS):
            threading.Thread(target=self._work, name="libvirt", daemon=True).start()

    @property
    def stuck(self) -> bool:
        return self.overdue >= THREADS

    def submit(self, call: Call) -> None:
        self._queue.put(call)

    def retire(self) -> None:
        """Take no more calls; the thread that ends last hangs up, as a connection
        must not be closed while another thread calls on it."""
        if self._retired:
            return
        self._retired = True
        for _ in range(THREADS):
            self._queue.put(None)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            if call.begin():
                call.run(self._connection)
            call = None
        with self._lock:
            self._working -= 1
            last = self._working == 0
        if last:
            hang_up(self._connection)
            post(self._loop, self.ended.set)


def post(loop: asyncio.AbstractEventLoop, told: Callable[[], object]) -> None:
    """From any thread. Nobody is there to be told once the loop is closed."""
    try:
        loop.call_soon_threadsafe(told)
    except RuntimeError as error:
        _log.debug("nobody to be told: %s", error)


def hang_up(connection: Any) -> None:
    """Let go of the connection and of all that was to be heard over it; to be called
    by one thread, the last that uses it. A dead one takes it as well."""
    for callback in tuple(getattr(connection, "domainEventCallbackID", ())):
        _quietly(connection.domainEventDeregisterAny, callback)
    for callback in tuple(getattr(connection, "qemuMonitorEventCallbackID", ())):
        _quietly(libvirt_qemu.qemuMonitorEventDeregister, connection, callback)
    _quietly(connection.unregisterCloseCallback)
    _quietly(connection.close)


def _quietly(function: Callable[..., object], *values: object) -> None:
    try:
        function(*values)
    except libvirt.libvirtError as error:
        _log.debug("hung up: %s", error)


def _alive(connection: Any) -> bool:
    """As libvirt's client knows by itself; libvirtd is not asked."""
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError as error:
        _log.debug("not alive: %s", error)
        return False

"""Connections for what may hang: each serves one call at a time, and no other waits.

A QEMU that hangs keeps a call waiting for ever. On a connection that has such a call,
libvirt's client (seen with 9.0) leaves the answers to others lying until its next
keepalive, seconds later: between a freeze and a thaw that is too long. So what asks a
QEMU for the sake of a screen goes over connections of its own, and one whose call does
not return is left to it.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import libvirt

from vmsnap_tui.backends.libvirt import event_thread
from vmsnap_tui.backends.libvirt.failures import cut_off, lost, refusal, unreachable
from vmsnap_tui.backends.libvirt.lane import hang_up, post
from vmsnap_tui.backends.libvirt.occupancy import Occupied
from vmsnap_tui.backends.libvirt.session import CallOverdue
from vmsnap_tui.backends.libvirt.uri import LibvirtUri

AT_ONCE = 4
_KEEPALIVE_S, _KEEPALIVES = 5, 3
_REMEDY = "see whether its QEMU is stopped or hangs on its storage (state D)"

_T = TypeVar("_T")


class SideLine:
    """Makes up to four calls at a time, each over a connection that no other uses."""

    def __init__(self, uri: LibvirtUri) -> None:
        self._uri = uri
        self._idle: list[Any] = []
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._hanging: Counter[str] = Counter()
        self._closed = False
        self._daemon = 0
        """Counts the daemons: a connection to one that went is no use."""

    async def ask(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str,
        timeout_s: float,
        read_only: bool = False,
    ) -> _T:
        """`function(connection, *values)`, which may hang on the domain.

        Raises as a session does: Occupied while an earlier call on the domain hangs,
        CallOverdue when this one does, LibvirtRefused and LibvirtNotFound as libvirt
        answered, ConnectionLost, and NoConnection where none can be made.
        """
        doing = function.__name__
        if self._hanging[domain]:
            raise Occupied(
                "the machine does not answer an earlier call",
                evidence=doing,
                remedy=_REMEDY,
            )
        async with self._turns:
            one = _Errand(
                self._idle.pop() if self._idle else None,
                partial(_open, self._uri, read_only=read_only),
                lambda connection: function(connection, *values),
                self._daemon,
            )
            try:
                await asyncio.wait({one.done}, timeout=timeout_s)
            finally:
                if not one.done.done():
                    self._leave(one, domain)
        if not one.done.done():
            raise CallOverdue(
                "the machine does not answer",
                evidence=f"{doing}: no answer within {timeout_s:g} s",
                remedy=_REMEDY,
            )
        answer: _T = self._answer(one, doing)
        return answer

    def close(self) -> None:
        """Hang up; a call that hangs is left behind."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            threading.Thread(target=hang_up, args=(connection,), daemon=True).start()

    def forget(self) -> None:
        """The daemon went: what was connected to it is let go of."""
        self.close()
        self._closed = False
        self._daemon += 1

    def _leave(self, one: "_Errand", domain: str) -> None:
        self._hanging[domain] += 1

        def returned(_done: object) -> None:
            self._hanging[domain] -= 1
            if not self._hanging[domain]:
                del self._hanging[domain]
            self._put_back(one)

        one.done.add_done_callback(returned)

    def _answer(self, one: "_Errand", doing: str) -> Any:
        self._put_back(one)
        error = one.error
        if error is None:
            return one.result
        if not isinstance(error, libvirt.libvirtError):
            raise error
        if one.connection is None:
            raise unreachable(error, self._uri) from error
        if cut_off(error):
            raise lost(f"{doing}: {error}") from error
        raise refusal(error, doing) from error

    def _put_back(self, one: "_Errand") -> None:
        connection, error = one.connection, one.error
        if connection is None:
            return
        bad = isinstance(error, libvirt.libvirtError) and cut_off(error)
        bad = bad or self._closed or one.daemon != self._daemon
        if bad or len(self._idle) >= AT_ONCE:
            threading.Thread(target=hang_up, args=(connection,), daemon=True).start()
        else:
            self._idle.append(connection)


class _Errand:
    """One call in a thread of its own; what it raised is kept for the caller."""

    def __init__(
        self,
        connection: Any,
        dial: Callable[[], Any],
        function: Callable[[Any], Any],
        daemon: int,
    ) -> None:
        self.daemon = daemon
        self.connection = connection
        self.result: Any = None
        self.error: BaseException | None = None
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop, self._dial, self._function = loop, dial, function
        threading.Thread(target=self._run, name="libvirt-side", daemon=True).start()

    def _run(self) -> None:
        with self:
            if self.connection is None:
                self.connection = self._dial()
            self.result = self._function(self.connection)
        post(self._loop, self._settle)

    def _settle(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: object
    ) -> bool:
        self.error = error
        return True


def _open(uri: LibvirtUri, *, read_only: bool) -> Any:
    event_thread.start()
    connection = (
        libvirt.openReadOnly(uri.opened_read_only)
        if read_only
        else libvirt.open(uri.opened)
    )
    connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVES)
    return connection

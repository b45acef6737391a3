"""A libvirt that is reached, watched, and come back to by itself.

Two connections: `watch` for lists and events, `act` for what changes something, so
that neither waits for the other. Calls are blocking functions of a connection that
run in its threads; what they raise is told in the operator's words.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import libvirt

from vmsnap_tui.backends.base import Link, LinkChanged
from vmsnap_tui.backends.libvirt.dial import Dialled, dial, split
from vmsnap_tui.backends.libvirt.failures import lost, refusal
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.lane import THREADS, Call, Lane, post
from vmsnap_tui.backends.libvirt.occupancy import Occupancy, Occupied
from vmsnap_tui.backends.libvirt.uri import LibvirtUri
from vmsnap_tui.errors import ConnectionLost, NoConnection
from vmsnap_tui.text import visible

CALL_LIMIT_S = 35.0
"""libvirt itself waits up to 30 s for a busy machine, and then tells who held it."""
_FIRST_RETRY_S = 0.2
_LAST_RETRY_S = 2.0
_CLOSE_LIMIT_S = 2.0
_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "the connection to libvirtd broke",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirtd hung up",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirtd does not answer any more",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed",
}

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class CallOverdue(ConnectionLost):
    """A call did not return in time: whether it takes effect is not known."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One coming-up of the link; `ended` gets the reason when it goes down."""

    watch: Lane
    act: Lane
    told: Dialled
    ended: asyncio.Future[str]


class Session:
    """`heard` gets every event, `link_changed` every coming and going; both are
    called in the loop in which `open` was."""

    def __init__(
        self,
        uri: LibvirtUri,
        heard: Callable[[Heard], None],
        link_changed: Callable[[LinkChanged], None],
    ) -> None:
        self.link = Link.DOWN
        self.read_only = ""
        """Empty, or the sentence that names the right that is missing."""
        self.driver = ""
        self.libvirt_version = (0, 0, 0)
        """Of the daemon, not of the library that this process loaded."""
        self.host_name = ""
        self._uri = uri
        self._heard = heard
        self._link_changed = link_changed
        self._occupancy = Occupancy()
        self._line: _Line | None = None
        self._retired: set[Lane] = set()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """As of now: `link` follows a little later, once everything was let go."""
        return self._line is not None and not self._line.ended.done()

    async def open(self) -> None:
        """Connect and keep connected. Raises NoConnection, and is closed then."""
        if self._watcher is not None:
            return
        self._say(Link.CONNECTING, "")
        try:
            line = await self._connect()
        except NoConnection as error:
            self._say(Link.DOWN, str(error))
            raise
        self._say(Link.UP, self.read_only)
        self._watcher = asyncio.create_task(self._keep(line))

    async def close(self) -> None:
        """Hang up; nothing in any machine changes. A call that hangs is left behind."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
        self._let_go()
        ends = [asyncio.create_task(lane.ended.wait()) for lane in self._retired]
        if ends:
            _, hanging = await asyncio.wait(ends, timeout=_CLOSE_LIMIT_S)
            for end in hanging:
                end.cancel()
        if self.link is not Link.DOWN:
            self._say(Link.DOWN, "closed")

    async def watch(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str = "",
        timeout_s: float = CALL_LIMIT_S,
        doing: str = "",
    ) -> _T:
        """`function(connection, *values)` where lists are read.

        `domain` is the UUID of the machine that the call may hang on, `doing` what it
        is called in an error. Raises LibvirtRefused and LibvirtNotFound as libvirt
        answered, Occupied when the call was not made, ConnectionLost when the
        connection went in mid-call, and CallOverdue, a kind of it, when it did not
        return in time. Whatever else the function raises is raised here.
        """
        name = doing or getattr(function, "__name__", "a call")
        make = partial(_make, function, values)
        answer: _T = await self._call("watch", make, domain, timeout_s, name)
        return answer

    async def act(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str = "",
        timeout_s: float = CALL_LIMIT_S,
        doing: str = "",
    ) -> _T:
        """As `watch`, where things are changed."""
        name = doing or getattr(function, "__name__", "a call")
        make = partial(_make, function, values)
        answer: _T = await self._call("act", make, domain, timeout_s, name)
        return answer

    async def hypervisor_version(self) -> tuple[int, int, int]:
        """Of the default emulator; a libvirtd that has just been installed takes
        seconds to find it out, so it is not asked for when connecting."""
        return split(int(await self.watch(lambda connection: connection.getVersion())))

    async def _call(
        self,
        lane_name: str,
        make: Callable[[Any], Any],
        domain: str,
        limit_s: float,
        doing: str,
    ) -> Any:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + limit_s
        slot = await self._occupancy.enter(lane_name, domain, limit_s, doing)
        line = self._line
        if line is None or line.ended.done():
            slot.release()
            raise lost(f"{doing}: not connected")
        lane = line.watch if lane_name == "watch" else line.act
        call = Call(make)
        call.settled.add_done_callback(lambda _: slot.release())
        lane.submit(call)
        try:
            await asyncio.wait({call.settled}, timeout=max(0, until_s - loop.time()))
        finally:
            unsent = not call.settled.done() and call.withdraw()
            if unsent:
                call.settled.cancel()
        if unsent:
            raise _unsent(doing, limit_s)
        if not call.settled.done():
            self._miss(line, lane, call, domain, doing)
            raise _overdue(doing, limit_s)
        return _answer(call, doing)

    def _miss(
        self, line: _Line, lane: Lane, call: Call, domain: str, doing: str
    ) -> None:
        """Its thread stays taken; when all are, only a new connection helps."""

        def found(_settled: object) -> None:
            lane.overdue -= 1
            self._occupancy.find(domain, doing)

        lane.overdue += 1
        self._occupancy.miss(domain, doing)
        call.settled.add_done_callback(found)
        if lane.stuck and not line.ended.done():
            line.ended.set_result(f"libvirt leaves {THREADS} calls unanswered")

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()

        def end(reason: int) -> None:
            if not ended.done():
                ended.set_result(_REASONS.get(reason, "the connection ended"))

        told = await dial(
            self._uri,
            lambda reason: post(loop, partial(end, reason)),
            lambda heard: post(loop, partial(self._heard, heard)),
        )
        watch = Lane(told.watch)
        act = watch if told.act is told.watch else Lane(told.act)
        self._line = _Line(watch, act, told, ended)
        self.read_only = told.read_only
        self.driver = told.driver
        self.libvirt_version = told.libvirt_version
        self.host_name = told.host_name
        return self._line

    async def _keep(self, line: _Line) -> None:
        while True:
            reason = await line.ended
            self._let_go()
            self._say(Link.DOWN, reason)
            line = await self._return()
            self._say(Link.UP, self.read_only)

    async def _return(self) -> _Line:
        pause_s = _FIRST_RETRY_S
        reason = ""
        while True:
            await asyncio.sleep(pause_s)
            try:
                return await self._connect()
            except NoConnection as error:
                if str(error) != reason:
                    reason = str(error)
                    self._say(Link.DOWN, reason)
            pause_s = min(pause_s * 2, _LAST_RETRY_S)

    def _let_go(self) -> None:
        line, self._line = self._line, None
        self._retired = {lane for lane in self._retired if not lane.ended.is_set()}
        if line is not None:
            for lane in {line.watch, line.act}:
                lane.retire()
                self._retired.add(lane)

    def _say(self, link: Link, reason: str) -> None:
        self.link = link
        _log.debug("%s: %s %s", visible(self._uri.text), link, visible(reason))
        self._link_changed(LinkChanged(link, reason))


def _make(
    function: Callable[..., _T], values: tuple[object, ...], connection: Any
) -> _T:
    return function(connection, *values)


def _answer(call: Call, doing: str) -> Any:
    error = call.error
    if error is None:
        return call.result
    if not isinstance(error, libvirt.libvirtError):
        raise error
    if call.cut_off:
        raise lost(f"{doing}: {error}") from error
    raise refusal(error, doing) from error


def _unsent(doing: str, limit_s: float) -> Occupied:
    return Occupied(
        "libvirt is busy with other calls",
        evidence=f"{doing}: not sent within {limit_s:g} s",
        remedy="see which machine does not answer, then try again",
    )


def _overdue(doing: str, limit_s: float) -> CallOverdue:
    return CallOverdue(
        "libvirt does not answer",
        evidence=f"{doing}: no answer within {limit_s:g} s",
        remedy="see whether the machine's QEMU is stopped or hangs on its storage",
    )

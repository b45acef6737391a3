"""One QMP connection that says at once when it is lost, and comes back by itself.

qemu.qmp has no time limits, keeps every event for ever, and its event iterator does
not end when QEMU dies: here every wait has a limit, events go straight to one
callback, and a watcher races the connection's run state.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from qemu.qmp import (
    ConnectError,
    EventListener,
    ExecuteError,
    Message,
    QMPClient,
    QMPError,
    Runstate,
)

from vmsnap_tui.backends.base import Link, LinkChanged
from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.owner import clients
from vmsnap_tui.backends.qmp.process import Process, peer_process
from vmsnap_tui.backends.qmp.uri import QmpUri
from vmsnap_tui.errors import ConnectionLost, NoConnection, StepFailed
from vmsnap_tui.text import clipped, visible

GREETING_LIMIT_S = 3.0
IDENTIFY_LIMIT_S = 5.0
"""For all that is asked of whoever greets: a peer that then falls silent is none."""
REPLY_LIMIT_S = 30.0
_CLOSE_LIMIT_S = 2.0
_FIRST_RETRY_S = 0.2
_LAST_RETRY_S = 2.0

_log = logging.getLogger(__name__)
_library_log = logging.getLogger("qemu.qmp")
_library_log.addHandler(logging.NullHandler())
_library_log.propagate = False


PEER_WORDS = 300
"""Of what a peer said that is no QEMU: enough to tell what it is."""


class CommandRefused(StepFailed):
    """QEMU answered a command with an error: `error_class` and `description`."""

    def __init__(self, command: Command, error_class: str, description: str) -> None:
        super().__init__(
            f"QEMU refused {command.execute}",
            evidence=f"{error_class}: {description}",
            remedy="see the events of the VM, put right what QEMU names, and retry",
        )
        self.error_class = error_class
        self.description = description


class _Tap(EventListener):
    """Hands events on as they come; neither queues them nor keeps a history."""

    def __init__(self, heard: Callable[[Message], None]) -> None:
        super().__init__()
        self._heard = heard

    async def put(self, event: Message) -> None:
        self._heard(event)


class _Client(QMPClient):
    """Without the library's log of every message: it writes each out as indented JSON
    whether or not anybody reads it, 60 ms for the answer to query-qmp-schema alone."""

    def _cb_outbound(self, msg: Message) -> Message:
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        return msg


class Session:
    """`heard` gets every event, `link_changed` every coming and going.

    `greeted` runs on each new connection before it counts as up, to learn who is
    there; what it raises makes the attempt fail.
    """

    def __init__(
        self,
        uri: QmpUri,
        heard: Callable[[Mapping[str, Any]], None],
        link_changed: Callable[[LinkChanged], None],
        greeted: Callable[[], Awaitable[None]],
    ) -> None:
        self.link = Link.DOWN
        self.process: Process | None = None
        self._uri = uri
        self._heard = heard
        self._link_changed = link_changed
        self._greeted = greeted
        self._client: QMPClient | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """As of now: `link` follows a little later, once everything was let go."""
        client = self._client
        return client is not None and client.runstate is Runstate.RUNNING

    async def open(self) -> None:
        """Connect and keep connected. Raises NoConnection, and is closed then."""
        if self._watcher is not None:
            return
        self._say(Link.CONNECTING, "")
        try:
            client = await self._connect()
        except NoConnection as error:
            self._say(Link.DOWN, str(error))
            raise
        self._say(Link.UP, "")
        self._watcher = asyncio.create_task(self._keep(client))

    async def close(self) -> None:
        """Hang up; nothing in the machine changes."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
        await self._hang_up()
        if self.link is not Link.DOWN:
            self._say(Link.DOWN, "closed")

    async def execute(self, command: Command, limit_s: float = REPLY_LIMIT_S) -> object:
        """QEMU's answer. Raises CommandRefused when it says no, and ConnectionLost
        when no answer came: the command may or may not have been executed."""
        client = self._client
        if client is None or client.runstate is not Runstate.RUNNING:
            self._lost(command, "not connected")
        _log.debug("> %s", visible(command.text))
        try:
            async with asyncio.timeout(limit_s):
                return await client.execute(command.execute, command.arguments)
        except ExecuteError as error:
            refused = CommandRefused(command, error.error_class, str(error))
            _log.debug("< %s", visible(refused.evidence))
            raise refused from None
        except TimeoutError:
            self._lost(command, f"no answer within {limit_s:g} s")
        except (QMPError, OSError, EOFError) as error:
            self._lost(command, f"{type(error).__name__}: {error}")

    def _lost(self, command: Command, why: str) -> NoReturn:
        raise ConnectionLost(
            "the connection to QEMU was lost",
            evidence=f"{command.execute} at {self._uri.where}: {why}",
            remedy="see whether the machine still runs; a run asks it what took effect",
        )

    async def _connect(self) -> QMPClient:
        client = _Client()
        client.events.event_filter = lambda _event: False
        client.register_listener(_Tap(self._on_event))
        peer: socket.socket | None = None
        try:
            async with asyncio.timeout(GREETING_LIMIT_S):
                peer = await _dial(self._uri)
                self.process = peer_process(peer) or self.process
                await client.connect(peer)
        except TimeoutError:
            raise self._busy(reached=peer is not None) from None
        except ConnectError as error:
            raise self._unreachable(error.exc) from None
        except OSError as error:
            raise self._unreachable(error) from None
        finally:
            if peer is not None and client.runstate is not Runstate.RUNNING:
                peer.close()
        self._client = client
        await self._greet()
        return client

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(IDENTIFY_LIMIT_S):
                await self._greeted()
        except (ConnectionLost, StepFailed) as error:
            await self._hang_up()
            raise _mute(error.evidence) from error
        except TimeoutError:
            await self._hang_up()
            raise _mute(
                f"{self._uri.where} greeted, and then left questions unanswered for"
                f" {IDENTIFY_LIMIT_S:g} s"
            ) from None
        except BaseException:
            await self._hang_up()
            raise

    async def _keep(self, client: QMPClient) -> None:
        while True:
            while client.runstate is Runstate.RUNNING:
                await client.runstate_changed()
            await self._hang_up()
            self._say(Link.DOWN, "the monitor hung up")
            client = await self._return()
            self._say(Link.UP, "")

    async def _return(self) -> QMPClient:
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

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await client.disconnect()
        except (TimeoutError, QMPError, OSError, EOFError) as error:
            _log.debug("hung up: %s", visible(f"{type(error).__name__}: {error}"))

    def _on_event(self, event: Message) -> None:
        self._heard(dict(event))

    def _say(self, link: Link, reason: str) -> None:
        self.link = link
        _log.debug("%s: %s %s", visible(self._uri.where), link, visible(reason))
        self._link_changed(LinkChanged(link, reason))

    def _busy(self, *, reached: bool) -> NoConnection:
        held = clients(self._uri.socket) if self._uri.socket else ()
        by = f", it is held by {', '.join(held)}" if held else ""
        qemu = f" (QEMU is process {self.process.pid})" if self.process else ""
        return NoConnection(
            "the monitor is busy" if reached else "the monitor does not answer",
            evidence=f"{self._uri.where}{qemu}: no greeting within "
            f"{GREETING_LIMIT_S:g} s{by}",
            remedy="a QMP socket serves one client: close the other one, or start QEMU "
            "with a second -qmp socket",
        )

    def _unreachable(self, error: BaseException) -> NoConnection:
        cause, remedy = _explain(error)
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        text = clipped(text, PEER_WORDS)
        return NoConnection(cause, evidence=f"{self._uri.where}: {text}", remedy=remedy)


def _mute(evidence: str) -> NoConnection:
    return NoConnection(
        "QEMU does not tell what it is",
        evidence=evidence,
        remedy="see whether it is the monitor of a QEMU 7.2 or later",
    )


async def _dial(uri: QmpUri) -> socket.socket:
    if uri.socket:
        return _dial_unix(uri.socket)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)
    family, _, _, _, address = found[0]
    peer = socket.socket(family, socket.SOCK_STREAM)
    peer.setblocking(False)
    try:
        await loop.sock_connect(peer, address)
    except BaseException:
        peer.close()
        raise
    return peer


def _dial_unix(path: str) -> socket.socket:
    """Connected at once or not at all; asyncio takes EAGAIN (a full backlog: others
    wait already) for a connection under way, and calls it made."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.setblocking(False)
    try:
        peer.connect(path)
    except BaseException:
        peer.close()
        raise
    return peer


def _explain(error: BaseException) -> tuple[str, str]:
    match error:
        case FileNotFoundError():
            return (
                "there is no such socket",
                "start the machine, or see its -qmp option for the path",
            )
        case ConnectionRefusedError():
            return "nobody listens on the monitor", "start the machine"
        case PermissionError():
            return (
                "the monitor may not be opened",
                "run as the user that QEMU runs as, or as root",
            )
        case BlockingIOError():
            return (
                "the monitor is busy",
                "a QMP socket serves one client: close the others",
            )
        case EOFError() | ConnectionError():
            return "the monitor hung up", "see whether the machine still runs"
        case OSError():
            return "the monitor cannot be reached", "see the address"
        case _:
            return (
                "what answers is not a QMP monitor",
                "see whether the address is that of -qmp, not of the human monitor",
            )

"""Connecting to libvirt: two connections, all that is to be heard, and who is there.

Opening blocks, and may hang for ever (a stopped libvirtd, a host that is gone), so
each attempt has a thread of its own, which is left behind when it takes too long.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import libvirt

from vmsnap_tui.backends.libvirt import event_thread
from vmsnap_tui.backends.libvirt.failures import lacks_rights, unreachable
from vmsnap_tui.backends.libvirt.heard import Tell, listen
from vmsnap_tui.backends.libvirt.lane import Call, hang_up
from vmsnap_tui.backends.libvirt.rights import missing_right
from vmsnap_tui.backends.libvirt.uri import LibvirtUri
from vmsnap_tui.errors import NoConnection

OPEN_LIMIT_S = 10.0
_KEEPALIVE_S, _KEEPALIVES = 5, 3
"""A libvirtd that hangs is given up after 20 s."""
_KEEPALIVE_UNKNOWN = (
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
)

_log = logging.getLogger(__name__)

Closed = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Dialled:
    """`watch` and `act` are one where the driver runs inside this process.

    `read_only` is empty, or says which right is missing.
    """

    watch: Any
    act: Any
    read_only: str
    driver: str
    libvirt_version: tuple[int, int, int]
    host_name: str


async def dial(
    uri: LibvirtUri, closed: Closed, tell: Tell, limit_s: float = OPEN_LIMIT_S
) -> Dialled:
    """Connect. Raises NoConnection, also when it takes longer than the limit; what
    comes of it later is hung up."""
    event_thread.start()
    attempt = _Attempt(uri, closed, tell)
    try:
        async with asyncio.timeout(limit_s):
            return await attempt.finish()
    except TimeoutError:
        raise NoConnection(
            "libvirt does not answer",
            evidence=f"{uri.text}: no connection within {limit_s:g} s",
            remedy="see whether libvirtd hangs, and the way to it",
        ) from None
    finally:
        attempt.abandon()


class _Attempt:
    """One attempt in its own thread; either its result is taken, or hung up."""

    def __init__(self, uri: LibvirtUri, closed: Closed, tell: Tell) -> None:
        self._call = Call(lambda _: _connect(uri, closed, tell))
        self._lock = threading.Lock()
        self._finished = False
        self._unwanted = False
        threading.Thread(target=self._run, name="libvirt-open", daemon=True).start()

    async def finish(self) -> Dialled:
        await asyncio.shield(self._call.settled)
        if self._call.error is not None:
            raise self._call.error
        result = self._call.result
        assert isinstance(result, Dialled)
        self._call.result = None
        return result

    def abandon(self) -> None:
        with self._lock:
            self._unwanted = True
            left_over = self._finished and self._call.result is not None
        if left_over:
            threading.Thread(target=self._drop, daemon=True).start()

    def _run(self) -> None:
        self._call.run(None)
        with self._lock:
            self._finished = True
            unwanted = self._unwanted
        if unwanted:
            self._drop()

    def _drop(self) -> None:
        result, self._call.result = self._call.result, None
        if result is not None:
            _hang_up(result)


def _connect(uri: LibvirtUri, closed: Closed, tell: Tell) -> Dialled:
    """Read-only where more is refused; each time anew, as rights may be given."""
    try:
        return _open(uri, closed, tell, "")
    except libvirt.libvirtError as error:
        if not lacks_rights(error):
            raise unreachable(error, uri) from error
        refused = error
    right = missing_right(refused, uri)
    _log.debug("%s: %s", right.sentence, refused)
    try:
        return _open(uri, closed, tell, right.sentence)
    except libvirt.libvirtError as error:
        raise NoConnection(
            "libvirt may not be reached by this user",
            evidence=f"{uri.text}: {refused}; {right.why}; read-only: {error}",
            remedy=right.remedy,
        ) from error


def _open(uri: LibvirtUri, closed: Closed, tell: Tell, read_only: str) -> Dialled:
    opened: list[Any] = []
    try:
        for _ in range(1 if uri.in_process else 2):
            opened.append(_open_one(uri, closed, read_only=bool(read_only)))
        watch, act = opened[0], opened[-1]
        driver = str(watch.getType())
        listen(watch, tell, monitor=driver == "QEMU" and not read_only)
        version = int(watch.getLibVersion())
        return Dialled(
            watch, act, read_only, driver, split(version), str(watch.getHostname())
        )
    except libvirt.libvirtError:
        for connection in opened:
            hang_up(connection)
        raise


def _open_one(uri: LibvirtUri, closed: Closed, *, read_only: bool) -> Any:
    connection = (
        libvirt.openReadOnly(uri.opened_read_only)
        if read_only
        else libvirt.open(uri.opened)
    )
    try:
        connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVES)
    except libvirt.libvirtError as error:
        # a driver inside this process has nobody at the other end
        if error.get_error_code() not in _KEEPALIVE_UNKNOWN:
            raise
    connection.registerCloseCallback(lambda _c, reason, _o: closed(reason), None)
    return connection


def _hang_up(dialled: Dialled) -> None:
    hang_up(dialled.watch)
    if dialled.act is not dialled.watch:
        hang_up(dialled.act)


def split(version: int) -> tuple[int, int, int]:
    """libvirt's number of a version (9000000) in its parts."""
    return version // 1_000_000, version // 1000 % 1000, version % 1000

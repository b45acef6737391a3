"""The guest agent behind libvirt, blocking: for the freeze guard, a process of its own.

libvirt holds the agent's channel, comes into step with it by itself, and serves any
number of clients. Its calls may hang with it, or with a QEMU that hangs; so each runs
in a thread of its own that is left behind when it takes too long.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import libvirt

from vmsnap_tui.backends.agent import AgentRefused, AgentSilent
from vmsnap_tui.backends.libvirt.failures import cut_off
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.errors import UsageError

PREFIX = "libvirt:"
_AS_LIBVIRT_SETS_IT = -2
"""VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK."""
_THAW_BEHIND_S = 1.0
_SILENT = frozenset(
    {
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
    }
)
_DISABLED = "has been disabled"
"""What an agent says to any other command while it is frozen; old ones give no more
reason than for a command that its configuration forbids."""


class LibvirtAgent:
    """`address` is `libvirt:UUID@URI`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._uuid, _, self._uri = address.removeprefix(PREFIX).partition("@")
        self._domain: Any = None
        self._timeout_s = 0

    def connect(self, limit_s: float) -> None:
        """A connection of its own. Raises AgentSilent when libvirt does not answer."""
        self._domain, self._timeout_s = None, 0
        self._domain = self._within(limit_s, self._open)

    def sync(self, limit_s: float) -> None:
        """libvirt skips what came late; here it is seen that somebody answers."""
        self.status(limit_s)

    def status(self, limit_s: float) -> str:
        """libvirt has no call that asks: an agent that is frozen refuses all others.
        None of these leaves a mark on the domain; that for the host's name would hide
        the refusal."""
        end_s = time.monotonic() + limit_s
        refused = ""
        for ask in (_ask_time, _ask_file_systems):
            try:
                self._asked(max(end_s - time.monotonic(), 0.1), ask)
            except AgentRefused as error:
                refused = str(error)
                if "frozen" in refused:
                    return "frozen"
                if _DISABLED not in refused:
                    raise
            else:
                return "thawed"
        return "frozen"

    def freeze(self, limit_s: float) -> int:
        """Where no answer comes in time a thaw is tried at once; the caller still makes
        sure. None frozen is a refusal: libvirt has no error for it."""
        try:
            count = self._asked(limit_s, lambda domain: domain.fsFreeze())
        except AgentSilent:
            with contextlib.suppress(AgentSilent, AgentRefused):
                self.thaw(_THAW_BEHIND_S)
            raise
        if not count:
            raise AgentRefused("the guest has no file system that can be frozen")
        return int(count)

    def thaw(self, limit_s: float) -> int:
        return int(self._asked(limit_s, lambda domain: domain.fsThaw()))

    def close(self) -> None:
        """Hang up; other clients' calls wait again as long as libvirt lets them."""
        if self._domain is not None:
            with contextlib.suppress(AgentSilent, AgentRefused):
                self._within(1.0, lambda: self._set_timeout(_AS_LIBVIRT_SETS_IT))
        self._domain = None

    def _open(self) -> Any:
        libvirt.registerErrorHandler(_silent, None)
        try:
            connection = libvirt.open(parse_uri(self._uri).opened)
        except UsageError as error:
            raise AgentRefused(str(error)) from error
        return connection.lookupByUUIDString(self._uuid)

    def _asked(self, limit_s: float, ask: Callable[[Any], Any]) -> Any:
        """By libvirt's own timeout if it can be, so that the call is over for it, too;
        it must be set before the first one, which would wait for ever."""

        def call() -> Any:
            wanted_s = max(1, math.ceil(limit_s))
            if wanted_s != self._timeout_s:
                self._set_timeout(wanted_s)
            return ask(self._domain)

        if self._domain is None:
            raise AgentSilent(f"{self.address}: not connected")
        return self._within(limit_s, call)

    def _set_timeout(self, timeout_s: int) -> None:
        self._domain.agentSetResponseTimeout(timeout_s, 0)
        self._timeout_s = timeout_s

    def _within(self, limit_s: float, call: Callable[[], Any]) -> Any:
        """A call that does not end in time takes its connection with it."""
        ended = _Ended(call)
        thread = threading.Thread(target=ended.run, name="libvirt-agent", daemon=True)
        thread.start()
        thread.join(limit_s)
        if thread.is_alive():
            self._domain = None
            raise AgentSilent(f"{self.address}: no answer within {limit_s:g} s")
        return ended.answer()


class _Ended:
    """One call in a thread, and what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: Any = None
        self._error: AgentSilent | AgentRefused | None = None

    def run(self) -> None:
        try:
            self._result = self._call()
        except libvirt.libvirtError as error:
            self._error = _told(error)
        except (AgentSilent, AgentRefused) as error:
            self._error = error

    def answer(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


def _ask_time(domain: Any) -> object:
    return domain.getTime(0)


def _ask_file_systems(domain: Any) -> object:
    return domain.fsInfo(0)


def _told(error: libvirt.libvirtError) -> AgentSilent | AgentRefused:
    text = str(error.get_error_message() or error)
    if error.get_error_code() in _SILENT or cut_off(error):
        return AgentSilent(text)
    return AgentRefused(text)


def _silent(_context: object, _error: object) -> None:
    """Each error is raised as an exception too."""

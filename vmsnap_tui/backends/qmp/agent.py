"""The guest agent's protocol, blocking and small: a freeze must not wait for imports.

One client at a time; the agent answers in order and never says to which command, so
what an earlier client left unread is skipped by a synchronising word with a random
number. Every call ends within its limit (seconds).
"""

import contextlib
import json
import os
import socket
import time
from typing import Any

from vmsnap_tui.backends.agent import AgentRefused, AgentSilent

REPLY_BYTES = 1 << 20
"""More is not an answer to anything that is asked here."""


class SocketAgent:
    """One connection to the agent's socket; after a silence the next call first
    skips what comes late."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._unread = b""
        self._out_of_step = False

    def connect(self, limit_s: float) -> None:
        """Raises AgentSilent when nobody listens. A busy agent accepts, then says
        nothing: `sync` tells."""
        self.close()
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(limit_s)
        try:
            made.connect(self.path)
        except OSError as error:
            made.close()
            raise AgentSilent(f"{self.path}: {error.strerror or error}") from error
        self._socket = made

    def close(self) -> None:
        """Hang up. QEMU drops what the agent has not read by then."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._unread, self._out_of_step = None, b"", False

    def sync(self, limit_s: float) -> None:
        """Come into step: skips late answers, and the error for the stray 0xFF."""
        self._sync(time.monotonic() + limit_s)

    def status(self, limit_s: float) -> str:
        """`thawed` or `frozen`."""
        answer = self._ask("guest-fsfreeze-status", limit_s)
        if answer not in ("thawed", "frozen"):
            raise AgentRefused(f"guest-fsfreeze-status: {str(answer)[:200]}")
        return str(answer)

    def freeze(self, limit_s: float) -> int:
        """How many file systems were frozen.

        Where no answer comes in time, a thaw is sent right behind: an agent that
        wakes up later freezes and thaws. The caller still makes sure.
        """
        try:
            return self._count("guest-fsfreeze-freeze", limit_s)
        except AgentSilent:
            with contextlib.suppress(AgentSilent):
                self._send("guest-fsfreeze-thaw", {}, time.monotonic() + 1.0)
            raise

    def thaw(self, limit_s: float) -> int:
        """How many file systems were thawed; 0 when none was frozen."""
        return self._count("guest-fsfreeze-thaw", limit_s)

    def _count(self, command: str, limit_s: float) -> int:
        answer = self._ask(command, limit_s)
        if not isinstance(answer, int):
            raise AgentRefused(f"{command}: {str(answer)[:200]}")
        return answer

    def _ask(self, command: str, limit_s: float) -> Any:
        end_s = time.monotonic() + limit_s
        if self._out_of_step:
            self._sync(end_s)
        self._out_of_step = True
        self._send(command, {}, end_s)
        reply = _parsed(self._line(end_s))
        self._out_of_step = False
        match reply:
            case {"return": answer}:
                return answer
            case {"error": {"desc": str(text)}}:
                raise AgentRefused(f"{command}: {text[:500]}")
            case _:
                self._out_of_step = True
                raise AgentRefused(f"{command}: not an answer")

    def _sync(self, end_s: float) -> None:
        self._out_of_step = True
        number = int.from_bytes(os.urandom(4), "big")
        self._send("guest-sync-delimited", {"id": number}, end_s, before=b"\xff")
        skipped = 0
        while True:
            line = self._line(end_s)
            reply = _parsed(line.rpartition(b"\xff")[2])
            if reply == {"return": number}:
                self._out_of_step = False
                return
            skipped += len(line)
            if skipped > REPLY_BYTES:
                raise AgentRefused("the agent sends without end")

    def _send(
        self, command: str, arguments: dict[str, Any], end_s: float, before: bytes = b""
    ) -> None:
        asked: dict[str, Any] = {"execute": command}
        if arguments:
            asked["arguments"] = arguments
        connected = self._until(end_s)
        try:
            connected.sendall(before + json.dumps(asked).encode() + b"\n")
        except OSError as error:
            raise AgentSilent(f"{command}: {error}") from error

    def _line(self, end_s: float) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > REPLY_BYTES:
                raise AgentRefused("the agent's answer is too long")
            try:
                heard = self._until(end_s).recv(65536)
            except OSError as error:
                raise AgentSilent(f"no answer: {error}") from error
            if not heard:
                raise AgentSilent("the agent's socket was closed")
            self._unread += heard
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _until(self, end_s: float) -> socket.socket:
        """The socket, with no more patience than is left."""
        left_s = end_s - time.monotonic()
        if self._socket is None:
            raise AgentSilent("not connected")
        if left_s <= 0:
            raise AgentSilent("no answer in time")
        self._socket.settimeout(left_s)
        return self._socket


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.lstrip(b"\xff"))
    except ValueError:
        return None

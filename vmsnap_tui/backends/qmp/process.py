"""The process behind a unix socket, so that "it has ended" can be told from "busy"."""

import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_PROBE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process id alone is reused by the kernel; with its start time it is not."""

    pid: int
    started_ticks: int

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended; a zombie has."""
        found = _stat(self.pid)
        return found is None or found.dead or found.ticks != self.started_ticks

    @property
    def directory(self) -> Path | None:
        """Its working directory, against which its relative paths are."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/cwd").readlink()
        return None


class Listener(StrEnum):
    """What connecting to a unix socket says of the process that made it."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    """No process listens on it any more."""
    ABSENT = "absent"
    UNKNOWN = "unknown"


def peer_process(peer: socket.socket) -> Process | None:
    """Who listens at the other end (SO_PEERCRED), None where that cannot be told."""
    if peer.family != socket.AF_UNIX:
        return None
    size = struct.calcsize("3i")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid = int(struct.unpack("3i", raw)[0])
    found = _stat(pid) if pid > 0 else None
    return Process(pid, found.ticks) if found else None


def probe(path: str) -> Listener:
    """Connect and hang up: a refusal is the kernel's word that nobody listens."""
    with socket.socket(socket.AF_UNIX) as probing:
        probing.settimeout(_PROBE_LIMIT_S)
        try:
            probing.connect(path)
        except ConnectionRefusedError:
            return Listener.REFUSES
        except FileNotFoundError:
            return Listener.ABSENT
        except OSError:
            return Listener.UNKNOWN
    return Listener.ANSWERS


@dataclass(frozen=True, slots=True)
class _Stat:
    dead: bool
    ticks: int


def _stat(pid: int) -> _Stat | None:
    """proc(5): after the name in parentheses, field 3 is the state, 22 the start."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(dead=fields[0] in "ZXx", ticks=int(fields[19]))

"""When the QEMU of a domain began: what libvirt does not tell, and this host does."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_UUID = b"-uuid"


def began_s(uuid: str, proc: Path = _PROC) -> float | None:
    """When the process of this host that was started with that UUID began, in seconds
    since the epoch; None where there is none to be seen. Of several the last one, which
    is not before the right one."""
    return max(_beginnings(uuid.encode(), proc), default=None)


def _beginnings(uuid: bytes, proc: Path) -> Iterator[float]:
    booted_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        # one that ends meanwhile is not it
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if _is_of(uuid, (process / "cmdline").read_bytes().split(b"\0")):
                ticks = _started_ticks((process / "stat").read_text(errors="replace"))
                yield booted_s + ticks / os.sysconf("SC_CLK_TCK")


def _is_of(uuid: bytes, words: list[bytes]) -> bool:
    return (_UUID, uuid) in zip(words, words[1:], strict=False)


def _started_ticks(stat: str) -> int:
    """proc(5): after the name in parentheses, field 22 is the start."""
    return int(stat.rpartition(")")[2].split()[19])

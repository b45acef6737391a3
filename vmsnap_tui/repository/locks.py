"""Locks that end with their process: `flock`, so a crash never leaves one behind.

The file's content only tells who holds it; the kernel's lock decides. Nothing
here waits: who meets a lock is told by whom it is held.
"""

import fcntl
import getpass
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from vmsnap_tui.errors import Locked

_RECORD_LIMIT_BYTES = 4096


def take(path: Path, *, shared: bool, operation: str) -> int:
    """The descriptor that holds the lock until it is closed; raises Locked at once.

    A second lock by the same process on the same file conflicts like any other.
    Raises OSError where the file cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        _record(descriptor, operation)
    except BlockingIOError:
        refusal = _locked(path, descriptor)
        os.close(descriptor)
        raise refusal from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _record(descriptor: int, operation: str) -> None:
    """Say who holds the lock: for shared locks, the latest holder."""
    record = {
        "user": _user(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "operation": operation,
        "since_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = json.dumps(record, sort_keys=True).encode() + b"\n"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data[:_RECORD_LIMIT_BYTES], 0)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _locked(path: Path, descriptor: int) -> Locked:
    return Locked(
        f"{path.stem} is locked by another operation",
        evidence=_holder(os.pread(descriptor, _RECORD_LIMIT_BYTES, 0)),
        remedy="wait until it has finished, or stop it; the lock ends with its process",
    )


def _holder(data: bytes) -> str:
    try:
        record = json.loads(data)
        user, host, pid = record["user"], record["host"], int(record["pid"])
        since, operation = record["since_utc"], record["operation"]
        if host == socket.gethostname() and not _lives(pid):
            raise ValueError("the latest of several holders has ended")
    except (ValueError, KeyError, TypeError, RecursionError):
        return "its owner left no readable record"
    what = f" for {operation}" if operation else ""
    return f"{user}@{host}, process {pid}{what}, since {since}"


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it lives and belongs to someone else
    return True

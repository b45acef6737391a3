"""Digests and durability of whole files, in a thread so that nothing else waits."""

import asyncio
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

_BUFFER_BYTES = 1024 * 1024
_REPORT_BYTES = 16 * _BUFFER_BYTES


async def sha256_file(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """The SHA-256 of a regular file; `progress` is told the bytes read so far.

    `progress` runs in the event loop. Cancelling stops the reading within one
    buffer. Raises OSError; a symbolic link, FIFO or device is refused.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def report(done_bytes: int) -> None:
        if progress is not None and not stop.is_set():
            loop.call_soon_threadsafe(progress, done_bytes)

    try:
        return await asyncio.to_thread(_digest, path, report, stop)
    finally:
        stop.set()


async def fsync_file(path: Path) -> None:
    """Push a file's data to the disk; raises OSError, also for a symbolic link."""
    await asyncio.to_thread(_fsync, path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path, report: Callable[[int], None], stop: threading.Event) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    done_bytes = reported_bytes = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"not a regular file: {path}")
        while not stop.is_set() and (count := file.readinto(buffer)):
            digest.update(buffer[:count])
            done_bytes += count
            if done_bytes - reported_bytes >= _REPORT_BYTES:
                reported_bytes = done_bytes
                report(done_bytes)
    return digest.hexdigest()

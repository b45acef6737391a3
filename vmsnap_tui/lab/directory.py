"""Private directories of the lab, and the removal of those whose owner is dead.

A directory is owned by the process that holds the lock of its `owner` file. The
kernel drops the lock with the process, also on kill -9, so no process id that was
given to someone else can keep a dead directory or lose a living one.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "vmsnap-lab-"
_OWNER = "owner"
_LONGEST_PARENT = 40
"""A socket path holds 107 bytes; what the lab adds below the parent stays under 60."""


def parent_directory() -> Path:
    """Return where lab directories live: the temporary directory, if short enough."""
    parent = Path(tempfile.gettempdir())
    return parent if len(os.fsencode(parent)) <= _LONGEST_PARENT else Path("/tmp")


@contextlib.contextmanager
def private_directory(parent: Path | None = None) -> Iterator[Path]:
    """Own a new directory (0700) until the block ends, then remove it.

    Dead owners' directories in the same parent are removed first.
    """
    parent = parent_directory() if parent is None else parent
    remove_stale(parent)
    path, lock = _create(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def remove_stale(parent: Path) -> tuple[Path, ...]:
    """Remove the lab directories of dead processes of this user; return them."""
    removed = []
    for path in sorted(parent.glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            lock = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
                removed.append(path)
            finally:
                os.close(lock)
    return tuple(removed)


def _create(parent: Path) -> tuple[Path, int]:
    """Create a directory and take its lock, again if a remover was faster."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(path / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return path, lock

"""Files and directories that are whole or absent after a power cut.

Measured by shutting real file systems down under load: only fsync of the file,
then rename, then fsync of the directory survives on both ext4 and XFS. Every
function here keeps that order and raises OSError; `explained` turns those into
the operator's words.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from vmsnap_tui.errors import StepFailed, VmsnapError

TEMPORARY_PREFIX = ".vmsnap-new-"
"""What an interrupted `write_new` leaves; nothing ever reads such a file."""

_REMEDIES = {
    errno.ENOSPC: "free space in the repository's file system, then try again",
    errno.EDQUOT: "raise the quota or free space, then try again",
    errno.EROFS: "the file system is mounted read-only: see the kernel's log",
    errno.EACCES: "run as the repository's owner",
    errno.EPERM: "run as the repository's owner",
    errno.EIO: "the storage reports errors: see the kernel's log",
    errno.ESTALE: "the mount is gone: mount the target again",
    errno.ENOENT: "see that the target is still mounted",
}


@contextlib.contextmanager
def explained(cause: str, kind: type[VmsnapError] = StepFailed) -> Iterator[None]:
    """Turn an OSError into `kind`: the cause, the system's words, the remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "see the repository's file system")
        raise kind(cause, evidence=str(error), remedy=remedy) from error


def fsync_path(path: Path) -> None:
    """Push one file or directory to the disk; a symbolic link raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_parent(path: Path) -> None:
    """Push the directory that holds `path` to the disk, through whatever link the
    operator reaches it by."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private_file(path: Path) -> None:
    """Make an empty file with mode 0600 whatever the umask; it must not exist."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Put `data` at `path`, durably: readers see the old file or the new, never half.

    On failure the old file stands and the temporary one is removed; after a
    crash a temporary file may be left, which nothing reads.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    create_private_file(temporary)
    try:
        with temporary.open("r+b") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_parent(path)


def rename_durably(src: Path, dst: Path) -> None:
    """Rename within one file system and push both parents to the disk."""
    src.rename(dst)
    fsync_path(dst.parent)
    if src.parent != dst.parent:
        fsync_path(src.parent)


def make_private_dir(path: Path) -> None:
    """Make a directory with mode 0700 whatever the umask; one of ours may exist.

    Raises NotADirectoryError where a symbolic link or a file stands in the way.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotADirectoryError(
                errno.ENOTDIR, "not a directory", str(path)
            ) from None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o700)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_parent(path)

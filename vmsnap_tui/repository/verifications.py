"""What was found when a point was checked: one line a check, only ever appended."""

import os
from pathlib import Path

import msgspec

from vmsnap_tui.model.point import Verification
from vmsnap_tui.repository.layout import VERIFICATIONS, open_regular

_TAIL_BYTES = 1024 * 1024


def append_verification(directory: Path, verification: Verification) -> None:
    """Add one line and push it to the disk; raises OSError.

    A line torn by a crash is closed first, so that it spoils only itself.
    """
    path = directory / VERIFICATIONS
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = msgspec.json.encode(verification, order="sorted") + b"\n"
        os.write(descriptor, b"\n" * torn + line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_verification(directory: Path) -> Verification | None:
    """What is known of a point: a failure stands until as deep a check succeeds.

    A shallow success says nothing against a deep failure, nor does it take away
    a deep success.
    """
    known: Verification | None = None
    for line in _lines(directory / VERIFICATIONS):
        try:
            read = msgspec.json.decode(line, type=Verification)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue  # torn by a crash: the check it told of is done again
        if known is None or not read.ok or read.level >= known.level:
            known = read
    return known


def _lines(path: Path) -> list[bytes]:
    try:
        descriptor = open_regular(path)
    except OSError:
        return []  # never verified, or not tellable: both mean "not known"
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES).splitlines()

"""From a point's file down to its full, by the manifests and never by the headers."""

import os
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.errors import DamagedPoint, NotFound
from vmsnap_tui.model.point import Parent, StoredDisk
from vmsnap_tui.repository import layout
from vmsnap_tui.repository.stored import StoredPoint, read_point

MAX_DEPTH = 128


@dataclass(frozen=True, slots=True)
class ChainFile:
    """One stored image of a chain, found as a regular file of the recorded size."""

    path: Path
    disk: StoredDisk
    point_id: str


def walk(stored: StoredPoint, target: str) -> tuple[ChainFile, ...]:
    """The files that make up a disk at a point, the point's own first, its full last.

    Raises NotFound when the point does not hold the disk, and DamagedPoint when
    any file or manifest below it is missing or is not the one recorded.
    """
    if stored.point.disk(target) is None:
        raise NotFound(
            f"point {stored.point.id} does not hold this disk",
            evidence=target,
            remedy="see `points` for the disks it holds",
        )
    files = [find_file(stored, target)]
    current = stored
    while parent := files[-1].disk.parent:
        if parent.point in {file.point_id for file in files}:
            raise _damaged(files[-1], f"the chain comes back to {parent.point}")
        if len(files) >= MAX_DEPTH:
            raise _damaged(files[-1], f"the chain is longer than {MAX_DEPTH} points")
        current = _parent(current, files[-1], parent)
        files.append(find_file(current, target))
    return tuple(files)


def _parent(child: StoredPoint, file: ChainFile, parent: Parent) -> StoredPoint:
    directory = child.directory.parent / parent.point
    if not os.path.lexists(directory):
        raise _damaged(file, f"parent {parent.point} is missing")
    try:
        stored = read_point(directory)
    except DamagedPoint as error:
        raise _damaged(
            file, f"parent {parent.point} is damaged: {error.evidence}"
        ) from error
    disk = stored.point.disk(file.disk.target)
    if disk is None:
        raise _damaged(file, f"parent {parent.point} does not hold the disk")
    if disk.sha256 != parent.sha256:
        raise _damaged(file, f"parent {parent.point} is not the file recorded")
    if stored.point.seq >= child.point.seq:
        raise _damaged(file, f"parent {parent.point} is not older")
    return stored


def find_file(stored: StoredPoint, target: str) -> ChainFile:
    """The point's own file of a disk: regular, and of the recorded size.

    Raises DamagedPoint.
    """
    disk = stored.point.disk(target)
    if disk is None:
        raise NotFound("no such disk", evidence=target)
    found = ChainFile(stored.directory / disk.file, disk, stored.point.id)
    try:
        descriptor = layout.open_regular(found.path)
    except FileNotFoundError as error:
        raise _damaged(found, f"{disk.file} is missing") from error
    except OSError as error:
        raise _damaged(found, f"{disk.file} cannot be opened: {error}") from error
    try:
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size != disk.bytes:
        raise _damaged(found, f"{disk.file} has {size} bytes, not {disk.bytes}")
    return found


def _damaged(file: ChainFile, reason: str) -> DamagedPoint:
    return DamagedPoint(
        f"point {file.point_id} is damaged",
        evidence=f"disk {file.disk.target}: {reason}",
        remedy="restore another point, or put the missing one back from a copy",
    )

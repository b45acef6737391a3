"""Points as they stand on disk: listed one by one, so that one never hides another."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.errors import DamagedPoint, NotFound
from vmsnap_tui.model.point import Point, Verification
from vmsnap_tui.repository import layout, manifest
from vmsnap_tui.repository.verifications import last_verification


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point whose manifest was found whole; its data is checked by `verify`."""

    point: Point
    directory: Path
    verified: Verification | None


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """A directory of a point that cannot be used, and why.

    `vm_name` is untrusted text. `seq` is 0 where it cannot be read.
    """

    id: str
    vm_name: str
    directory: Path
    reason: str
    seq: int = 0


def read_point(directory: Path) -> StoredPoint:
    """The point in a directory; raises DamagedPoint with the reason."""
    point = read_manifest(directory)
    if point.id != directory.name:
        raise _damaged(directory, f"its manifest is the one of {point.id}")
    machine = directory.parent.parent.name
    if layout.machine_hash(machine) != layout.key_hash(point.vm_key):
        raise _damaged(directory, "it belongs to another VM")
    return StoredPoint(point, directory, last_verification(directory))


def read_manifest(directory: Path) -> Point:
    """The manifest alone; raises DamagedPoint with the reason."""
    try:
        if directory.is_symlink():
            raise _damaged(directory, "it is a symbolic link")
        data = layout.read_limited(directory / layout.MANIFEST, manifest.LIMIT_BYTES)
    except OSError as error:
        raise _damaged(directory, f"its manifest cannot be read: {error}") from error
    if not data:
        raise _damaged(directory, "its manifest is empty")
    return manifest.decode(data)


def read_entry(directory: Path, vm_name: str) -> StoredPoint | DamagedEntry:
    """What stands in a directory, sound or not; never raises for what it holds."""
    try:
        return read_point(directory)
    except DamagedPoint as error:
        reason = error.evidence or error.cause
        return DamagedEntry(
            directory.name, vm_name, directory, reason, _seq_of(directory)
        )


def _seq_of(directory: Path) -> int:
    try:
        path = directory / layout.MANIFEST
        return manifest.stored_seq(layout.read_limited(path, manifest.LIMIT_BYTES))
    except OSError:
        return 0  # unreadable is already its entry's reason


def _damaged(directory: Path, reason: str) -> DamagedPoint:
    return DamagedPoint(
        f"point {directory.name} is damaged",
        evidence=reason,
        remedy="restore another point, or put this one back from a copy",
    )


def read_definition(stored: StoredPoint) -> bytes:
    """The machine's definition that the point holds.

    Raises DamagedPoint where it is not what the manifest says, NotFound where the
    point holds none.
    """
    kept = stored.point.definition
    if kept is None:
        raise NotFound(f"point {stored.point.id} holds no definition of its machine")
    path = stored.directory / kept.file
    try:
        data = layout.read_limited(path, manifest.LIMIT_BYTES)
    except OSError as error:
        raise _not_the_definition(f"cannot be read: {error}", path) from error
    if len(data) != kept.bytes or hashlib.sha256(data).hexdigest() != kept.sha256:
        raise _not_the_definition("its SHA-256 is not the one recorded", path)
    return data


def _not_the_definition(reason: str, path: Path) -> DamagedPoint:
    return DamagedPoint(
        "the stored definition of the machine is damaged",
        evidence=f"{path}: {reason}",
        remedy="restore the disks alone (--disk), or another point",
    )

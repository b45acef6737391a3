"""Full or incremental, disk by disk, and why: the heart of never losing a change."""

from dataclasses import dataclass

from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.instant import RecordedIn
from vmsnap_tui.model.point import DiskLevel, Parent, Point, StoredDisk
from vmsnap_tui.plan.requests import Level
from vmsnap_tui.units import format_bytes

MAX_CHAIN_DEPTH = 100
"""Increments that one point may stand on; restoring reads through all of them."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a repository holds for one machine, read at one instant.

    `newest` names, per disk, the last point that holds it; `broken` says, per disk,
    why that point cannot be built upon; `depth` how many files a restore of it reads.
    """

    path: str
    bitmap_prefix: str
    next_seq: int
    free_bytes: int
    newest: dict[str, Point]
    broken: dict[str, str]
    depth: dict[str, int]
    same_file_system: frozenset[str] = frozenset()
    """Disks whose active image lies on the repository's own file system."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How one disk is backed up; `dirty_bytes` is an upper bound of an increment."""

    level: DiskLevel
    reason: str
    parent: Parent | None = None
    parent_file: str | None = None
    merge: tuple[RecordedIn, ...] = ()
    dirty_bytes: int = 0


def decide(disk: Disk, level: Level, shelf: Shelf) -> Decision:
    """The level of one disk.

    Raises PlanRefused where its tracking is in use by another operation.
    """
    if level is Level.FULL:
        return _full("a full was asked for")
    if disk.untracked:
        return _full(disk.untracked)
    point = shelf.newest.get(disk.target)
    stored = point.disk(disk.target) if point else None
    if point is None or stored is None:
        return _full("the first point of this disk")
    broken = shelf.broken.get(disk.target) or _unfit_parent(disk, stored, shelf)
    if broken:
        return _full(broken)
    gap, merge, dirty_bytes = (
        _recorded_since(disk, stored)
        if disk.records is None
        else _vouched_since(disk, stored)
    )
    if gap:
        return _full(gap)
    return Decision(
        DiskLevel.INCREMENTAL,
        f"every write since point {point.id} is recorded",
        Parent(point.id, stored.sha256),
        stored.file,
        merge,
        dirty_bytes,
    )


def _full(reason: str) -> Decision:
    return Decision(DiskLevel.FULL, reason)


def _unfit_parent(disk: Disk, stored: StoredDisk, shelf: Shelf) -> str:
    if stored.virtual_bytes != disk.virtual_bytes:
        was, now = format_bytes(stored.virtual_bytes), format_bytes(disk.virtual_bytes)
        return f"the disk was resized from {was} to {now}"
    depth = shelf.depth.get(disk.target, 1)
    if depth >= MAX_CHAIN_DEPTH:
        return f"the last point already stands on {depth} files"
    return ""


def _vouched_since(
    disk: Disk, stored: StoredDisk
) -> tuple[str, tuple[RecordedIn, ...], int]:
    """The gap in what the hypervisor vouches for, or its record of the point.

    It carries the bitmaps along whatever it does to the chain, and refuses where one
    of them is missing or broken: no image has to be the one of the point's instant, as
    long as the machine ran. Where it may have been off, that image must be in the chain
    still: `qemu-img` merges one into another that has no bitmap and tells nobody.
    """
    if not stored.bitmap:
        return "the last point began no record of changes", (), 0
    record = disk.record(stored.bitmap)
    if record is None:
        return f"there is no checkpoint {stored.bitmap} of it", (), 0
    if not record.whole:
        return record.broken, (), 0
    if not record.watched and all(i.path != stored.source_path for i in disk.chain):
        gap = f"the image of the last point, {stored.source_path}, left the chain"
        return f"{gap}, and the machine may have been off", (), 0
    merge = (RecordedIn(disk.active.node, record.name),)
    return "", merge, min(record.dirty_bytes, disk.virtual_bytes)


def _recorded_since(
    disk: Disk, stored: StoredDisk
) -> tuple[str, tuple[RecordedIn, ...], int]:
    """The gap in the record, or the bitmap that holds all of it.

    The bitmap must stand, recording and consistent, in the image that was active at
    the point's instant, and that image must be the active one still. A bitmap that is
    merely *there* proves nothing: after a crash, or a merge by somebody else, some
    image of the chain has a good one while writes since are in no bitmap at all. Where
    overlays came in between, even one in every image is no proof: one that was
    streamed away took its record along, and the chain looks whole.
    """
    paths = [image.path for image in disk.chain]
    if stored.source_path not in paths:
        return (
            f"the image of the last point, {stored.source_path}, left the chain",
            (),
            0,
        )
    active = disk.active
    if stored.source_path != active.path:
        gap = f"{active.path} was put on top of {stored.source_path} since"
        return f"{gap}: nothing proves which writes are recorded", (), 0
    gap, bitmap = _gap(active, stored.bitmap)
    if gap or bitmap is None:
        return gap, (), 0
    if bitmap.busy:
        raise PlanRefused(
            f"the tracking of {disk.target} is in use by another operation",
            evidence=f"bitmap {bitmap.name} is busy",
            remedy="wait for its job, or see `vmsnap-tui jobs` and `recover`",
        )
    merge = (RecordedIn(active.node, bitmap.name),)
    return "", merge, min(bitmap.dirty_bytes, disk.virtual_bytes)


def _gap(image: Image, name: str) -> tuple[str, Bitmap | None]:
    """Why the image's bitmap is no full record, or the bitmap."""
    if not image.bitmaps_known:
        return f"the bitmaps of {image.path} cannot be read while a job runs", None
    bitmap = image.bitmap(name)
    if bitmap is None:
        return f"the record of changes is missing in {image.path}", None
    if bitmap.inconsistent:
        return f"the record of changes in {image.path} broke when QEMU was killed", None
    if not bitmap.recording:
        return f"the record of changes in {image.path} was switched off", None
    return "", bitmap


def stale_bitmaps(
    disk: Disk, shelf: Shelf, keep: str = ""
) -> tuple[tuple[str, str], ...]:
    """Bitmaps of this repository on the disk that a new point makes needless.

    Those of other repositories and other tools are nobody's but theirs; `keep` is the
    one that the disk's own newest point needs, where the new point leaves it out. One
    in an image that is read-only in this run cannot be removed and does no harm.
    """
    if disk.records is not None:
        names = [record.name for record in disk.records]
        return tuple((disk.active.node, n) for n in names if _is_stale(n, shelf, keep))
    return tuple(
        (image.node, bitmap.name)
        for image in disk.chain
        if not image.read_only
        for bitmap in image.bitmaps
        if _is_stale(bitmap.name, shelf, keep) and not bitmap.busy
    )


def _is_stale(name: str, shelf: Shelf, keep: str) -> bool:
    return name.startswith(shelf.bitmap_prefix) and name != keep

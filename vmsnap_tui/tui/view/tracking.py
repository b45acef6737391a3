"""Whether the next backup of a disk can be incremental, and if not, why."""

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.view.spans import Span, Tone, span


def bitmaps_since(disk: Disk, stored: StoredPoint | None) -> tuple[Bitmap, ...]:
    """The bitmaps that have recorded since the point, active image's first."""
    stored_disk = stored.point.disk(disk.target) if stored else None
    if stored_disk is None:
        return ()
    found = (image.bitmap(stored_disk.bitmap) for image in disk.chain)
    return tuple(bitmap for bitmap in found if bitmap is not None)


def changed_since(disk: Disk, stored: StoredPoint | None) -> int | None:
    """Bytes that were written since the point; None where nothing whole tells.

    What a hypervisor vouches for goes before what stands in the images. A bitmap is in
    every image from the one at the instant upwards: their sum is an upper bound.
    """
    stored_disk = stored.point.disk(disk.target) if stored else None
    if stored_disk is None:
        return None
    if disk.records is not None:
        record = disk.record(stored_disk.bitmap)
        return record.dirty_bytes if record is not None and record.whole else None
    found = bitmaps_since(disk, stored)
    if not found or any(bitmap.inconsistent for bitmap in found):
        return None
    return sum(bitmap.dirty_bytes for bitmap in found)


def tracking_span(disk: Disk, stored: StoredPoint | None) -> Span:
    """What the operator is told; the plan decides on more than this."""
    if disk.unfit:
        return span(disk.unfit, Tone.MUTED)
    if disk.untracked:
        return span("not tracked: each is full", Tone.CAUTION)
    if stored is None:
        return span("no point yet", Tone.CAUTION)
    stored_disk = stored.point.disk(disk.target)
    if stored_disk is None:
        return span("not in the last point", Tone.CAUTION)
    if disk.records is not None:
        return _vouched_span(disk, stored_disk.bitmap)
    return _recorded_span(disk, bitmaps_since(disk, stored))


def _vouched_span(disk: Disk, name: str) -> Span:
    record = disk.record(name)
    if record is None:
        return span("tracking lost: next is full", Tone.CAUTION)
    if not record.asked:
        return span("tracking is not read now", Tone.MUTED)
    if not record.whole:
        return span("tracking broken: next is full", Tone.ALARM)
    return span("tracking ok", Tone.GOOD)


def _recorded_span(disk: Disk, found: tuple[Bitmap, ...]) -> Span:
    if not found and not all(image.bitmaps_known for image in disk.chain):
        return span("tracking is not read now", Tone.MUTED)
    if not found:
        return span("tracking lost: next is full", Tone.CAUTION)
    if any(bitmap.inconsistent for bitmap in found):
        return span("tracking broken: next is full", Tone.ALARM)
    if not all(bitmap.recording for bitmap in found):
        return span("tracking stopped: next is full", Tone.CAUTION)
    return span("tracking ok", Tone.GOOD)

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


def tracking_span(disk: Disk, stored: StoredPoint | None) -> Span:
    """What the operator is told; the plan decides on more than this."""
    if disk.unfit:
        return span(disk.unfit, Tone.MUTED)
    if stored is None:
        return span("no point yet", Tone.CAUTION)
    if stored.point.disk(disk.target) is None:
        return span("not in the last point", Tone.CAUTION)
    found = bitmaps_since(disk, stored)
    if not found and not all(image.bitmaps_known for image in disk.chain):
        return span("tracking is not read while a job runs", Tone.MUTED)
    if not found:
        return span("tracking lost: next is full", Tone.CAUTION)
    if any(bitmap.inconsistent for bitmap in found):
        return span("tracking broken: next is full", Tone.ALARM)
    if not all(bitmap.recording for bitmap in found):
        return span("tracking stopped: next is full", Tone.CAUTION)
    return span("tracking ok", Tone.GOOD)

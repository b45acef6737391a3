"""The chain of one disk, active image first, with sizes, formats and bitmaps."""

from pathlib import PurePosixPath

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.paragraphs import Paragraph, said
from vmsnap_tui.tui.view.spans import Line, Span, Tone, line, span
from vmsnap_tui.units import format_bytes

_SIZE_CELLS = 9
_WIDE = 100


def image_name(path: str) -> str:
    """The last part of an image's file name; other names stay whole."""
    return PurePosixPath(path).name if path.startswith("/") else path


def chain_lines(disk: Disk, glyphs: Glyphs, width: int, *, bitmaps: bool) -> list[Line]:
    """One line an image; with `bitmaps`, one more for each of its bitmaps, where it is
    they that tell and not the hypervisor's checkpoints. How the definition says
    otherwise than QEMU comes first."""
    lines: list[Line] = []
    if disk.differs:
        lead = said(f"  {glyphs.caution} ", Tone.CAUTION)
        text = said(disk.differs, Tone.CAUTION)
        lines.extend(Paragraph(lead, text).lines(width))
    if not disk.chain:
        return [*lines, line("  ", span("no medium", Tone.MUTED))]
    for depth, image in enumerate(disk.chain):
        lines.append(_image_line(disk, depth, image, glyphs, width))
        if bitmaps and disk.records is None:
            lines.extend(_bitmap_lines(image, glyphs, width))
    if not disk.chain_known:
        below = f"  {glyphs.branch} what it stands on is not told now"
        lines.append(line(span(below, Tone.MUTED)))
    return lines


def _image_line(
    disk: Disk, depth: int, image: Image, glyphs: Glyphs, width: int
) -> Line:
    last = depth == len(disk.chain) - 1 and disk.chain_known
    sign = glyphs.active if depth == 0 else glyphs.branch
    tone = Tone.ACCENT if depth == 0 else Tone.MUTED
    role = "only image" if last and depth == 0 else ""
    role = role or ("active" if depth == 0 else "base" if last else "")
    size = format_bytes(image.allocated_bytes) if image.virtual_bytes else ""
    tail = f" {size:>{_SIZE_CELLS}}  {image.format:<5} {role:<10}"
    name_cells = max(width - len(tail) - 4, 8)
    name = clipped(image_name(image.path), name_cells, glyphs)
    return line(
        span(f"  {sign} ", tone),
        span(name.ljust(name_cells), Tone.STRONG if depth == 0 else Tone.PLAIN),
        span(tail, Tone.MUTED),
    )


def _bitmap_lines(image: Image, glyphs: Glyphs, width: int) -> list[Line]:
    if not image.bitmaps_known:
        return [line(span("      bitmaps are not read now", Tone.MUTED))]
    return [_bitmap_line(bitmap, glyphs, width) for bitmap in image.bitmaps]


def _bitmap_line(bitmap: Bitmap, glyphs: Glyphs, width: int) -> Line:
    """Name, state, dirty bytes, granularity, and whether it outlives QEMU."""
    kind = "persistent" if bitmap.persistent else "in memory"
    dirty = format_bytes(bitmap.dirty_bytes).rjust(_SIZE_CELLS)
    grain = format_bytes(bitmap.granularity_bytes)
    state = bitmap_state(bitmap)
    tail = f" {dirty}  {kind}"
    if width >= _WIDE:
        tail = f" {dirty} dirty in granules of {grain}, {kind}"
    name_cells = max(width - len(tail) - len(state.text) - 8, 12)
    name = clipped(bitmap.name, name_cells, glyphs)
    return line(
        "      ",
        span(name.ljust(name_cells + 2), Tone.MUTED),
        state,
        span(tail, Tone.MUTED),
    )


def bitmap_state(bitmap: Bitmap) -> Span:
    """The bitmap in one word."""
    if bitmap.inconsistent:
        return span("inconsistent", Tone.ALARM)
    if bitmap.busy:
        return span("busy", Tone.JOB)
    if bitmap.recording:
        return span("recording", Tone.GOOD)
    return span("disabled", Tone.CAUTION)


def clipped(text: str, cells: int, glyphs: Glyphs) -> str:
    """The text in at most so many cells, marked where it was cut."""
    return text if len(text) <= cells else text[: cells - 1] + glyphs.ellipsis

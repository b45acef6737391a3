"""The hypervisor's checkpoints: since when it records changes, and whether wholly."""

from datetime import datetime

from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.chain import clipped
from vmsnap_tui.tui.view.paragraphs import Paragraph, lay_out, said
from vmsnap_tui.tui.view.spans import Line, Span, Tone, line, span
from vmsnap_tui.units import format_bytes

OURS = "vmsnap-"
"""Every checkpoint of ours is named after its repository and point."""
_STATE_CELLS = 15
_DISKS_CELLS = 10


def checkpoint_lines(
    vm: Vm, now: datetime, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """Newest first; nothing where the hypervisor keeps none."""
    if vm.checkpoints is None:
        return ()
    count = span(f"  {len(vm.checkpoints)}", Tone.MUTED)
    lines = [line(span("Checkpoints", Tone.STRONG), count)]
    for checkpoint in sorted(vm.checkpoints, key=_instant, reverse=True):
        records = _records(vm, checkpoint)
        lines.append(_checkpoint_line(checkpoint, records, now, glyphs, width))
        lines.extend(_broken_lines(records, glyphs, width))
    return tuple(lines)


def _instant(checkpoint: Checkpoint) -> str:
    return checkpoint.created_utc


def _records(vm: Vm, checkpoint: Checkpoint) -> list[tuple[str, Record]]:
    """What is vouched for on each of its disks that are there."""
    found = []
    for target in checkpoint.disks:
        disk = vm.disk(target)
        record = disk.record(checkpoint.name) if disk else None
        if record is not None:
            found.append((target, record))
    return found


def _checkpoint_line(
    checkpoint: Checkpoint,
    records: list[tuple[str, Record]],
    now: datetime,
    glyphs: Glyphs,
    width: int,
) -> Line:
    state = _state(checkpoint, [record for _, record in records], glyphs)
    disks = clipped(" ".join(checkpoint.disks), _DISKS_CELLS, glyphs)
    when = f" {age(checkpoint.created_utc, now):>6}  {disks:<{_DISKS_CELLS}} "
    cells = max(width - len(when) - _STATE_CELLS - 2, 8)
    name = _named(span(checkpoint.name).text, cells, glyphs)
    tone = Tone.STRONG if checkpoint.current else Tone.PLAIN
    return line("  ", span(name.ljust(cells), tone), span(when, Tone.MUTED), state)


def _named(name: str, cells: int, glyphs: Glyphs) -> str:
    """Ours all begin alike: where there is no room, what tells them apart is kept."""
    if name.startswith(OURS) and len(name) > cells:
        return glyphs.ellipsis + name[-(cells - 1) :]
    return clipped(name, cells, glyphs)


def _state(checkpoint: Checkpoint, records: list[Record], glyphs: Glyphs) -> Span:
    if not checkpoint.name.startswith(OURS):
        return span("another program".rjust(_STATE_CELLS), Tone.MUTED)
    if any(record.asked and record.broken for record in records):
        return span("broken".rjust(_STATE_CELLS), Tone.ALARM)
    if not records or not all(record.asked for record in records):
        return span("not read now".rjust(_STATE_CELLS), Tone.MUTED)
    changed = format_bytes(sum(record.dirty_bytes for record in records))
    return span(f"{glyphs.changed} {changed}".rjust(_STATE_CELLS), Tone.PLAIN)


def _broken_lines(
    records: list[tuple[str, Record]], glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    page = [
        Paragraph(
            said(f"    {glyphs.caution} ", Tone.CAUTION),
            said(f"{target}: {record.broken}", Tone.CAUTION),
        )
        for target, record in records
        if record.asked and record.broken
    ]
    return lay_out(page, width)

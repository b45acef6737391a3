"""The hypervisor's snapshots as a tree, and where the machine is in it."""

from datetime import datetime

from vmsnap_tui.model.snapshot import Snapshot, SnapshotKind
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.chain import clipped, image_name
from vmsnap_tui.tui.view.paragraphs import Paragraph, lay_out, said
from vmsnap_tui.tui.view.spans import Line, Tone, line, span

_DEEPEST_INDENT = 6
"""A tree of fifty snapshots is a list: further levels are not shifted any more."""
_WHILE_OFF = frozenset({"shutoff", "off"})


def snapshot_lines(
    vm: Vm, now: datetime, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """Oldest first, each under what it stands on; nothing where none are kept."""
    snapshots = vm.snapshots
    if snapshots is None:
        return ()
    lines = [
        line(span("Snapshots", Tone.STRONG), span(f"  {len(snapshots)}", Tone.MUTED))
    ]
    if mixes_kinds(vm):
        lines.extend(_mixed_lines(glyphs, width))
    current = {s.name for s in _ancestry(snapshots)}
    for depth, snapshot in _tree(snapshots):
        lines.append(_snapshot_line(snapshot, depth, now, glyphs, width))
        if snapshot.name in current:
            lines.extend(_lost_lines(vm, snapshot, depth, glyphs, width))
        if snapshot.current:
            here = f"{_indent(depth + 1, glyphs.active)}you are here"
            lines.append(line(span(here, Tone.ACCENT)))
    return tuple(lines)


def mixes_kinds(vm: Vm) -> bool:
    """Whether the machine has internal and external snapshots at once."""
    kinds = {kind for snapshot in vm.snapshots or () for kind in snapshot.kinds}
    return {SnapshotKind.INTERNAL, SnapshotKind.EXTERNAL} <= kinds


def _mixed_lines(glyphs: Glyphs, width: int) -> tuple[Line, ...]:
    text = "internal and external ones are mixed: a revert can orphan overlays"
    lead = said(f"{glyphs.caution} ", Tone.CAUTION)
    return lay_out([Paragraph(lead, said(text, Tone.CAUTION))], width)


def _tree(snapshots: tuple[Snapshot, ...]) -> list[tuple[int, Snapshot]]:
    """Depth first, siblings by their age; what no root leads to comes last. libvirt
    lists them in no order."""
    snapshots = tuple(sorted(snapshots, key=lambda each: each.created_utc))
    names = {snapshot.name for snapshot in snapshots}
    children: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        parent = snapshot.parent if snapshot.parent in names else ""
        children.setdefault(parent, []).append(snapshot)
    found: list[tuple[int, Snapshot]] = []
    waiting = [(0, root) for root in reversed(children.get("", []))]
    while waiting:
        depth, snapshot = waiting.pop()
        found.append((depth, snapshot))
        below = children.get(snapshot.name, [])
        waiting.extend((depth + 1, child) for child in reversed(below))
    reached = {snapshot.name for _, snapshot in found}
    return found + [(0, s) for s in snapshots if s.name not in reached]


def _ancestry(snapshots: tuple[Snapshot, ...]) -> list[Snapshot]:
    """The current snapshot and those it stands on."""
    by_name = {snapshot.name: snapshot for snapshot in snapshots}
    found: list[Snapshot] = []
    here = next((s for s in snapshots if s.current), None)
    while here is not None and here not in found:
        found.append(here)
        here = by_name.get(here.parent)
    return found


def _indent(depth: int, sign: str) -> str:
    shift = "  " * min(depth, _DEEPEST_INDENT)
    return f"  {shift[2:]}{sign} " if depth else "  "


def _snapshot_line(
    snapshot: Snapshot, depth: int, now: datetime, glyphs: Glyphs, width: int
) -> Line:
    kinds = snapshot.kinds
    kind = "mixed" if len(kinds) > 1 else next(iter(kinds)).value if kinds else ""
    tail = f" {kind:<9} {_holds(snapshot):<11} {age(snapshot.created_utc, now):>6}"
    indent = _indent(depth, glyphs.branch)
    cells = max(width - len(indent) - len(tail), 8)
    name = clipped(span(snapshot.name).text, cells, glyphs)
    tone = Tone.STRONG if snapshot.current else Tone.PLAIN
    return line(
        span(indent, Tone.MUTED), span(name.ljust(cells), tone), span(tail, Tone.MUTED)
    )


def _holds(snapshot: Snapshot) -> str:
    if snapshot.memory:
        return "with memory"
    return "while off" if snapshot.state in _WHILE_OFF else "disks only"


def _lost_lines(
    vm: Vm, snapshot: Snapshot, depth: int, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """Overlays that libvirt's metadata still names and the chain has no more."""
    page = []
    lead = said(f"{_indent(depth + 1, glyphs.caution)}", Tone.CAUTION)
    for part in snapshot.disks:
        disk = vm.disk(part.target)
        if not part.file or disk is None or not disk.chain:
            continue
        if part.file not in {image.path for image in disk.chain}:
            text = f"{image_name(part.file)} is not in the chain of {part.target}"
            page.append(Paragraph(lead, said(text, Tone.CAUTION)))
    return lay_out(page, width)

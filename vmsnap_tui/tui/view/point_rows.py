"""Restore points as rows of a table and as a page of details."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from vmsnap_tui.model.point import (
    DiskLevel,
    Point,
    StoredDisk,
    Verification,
    VerifyLevel,
)
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.text import visible
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.paragraphs import (
    BLANK,
    Page,
    Paragraph,
    joined,
    labelled,
    said,
    warning,
)
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.units import format_bytes, format_duration

Entry: TypeAlias = StoredPoint | DamagedEntry

_VERIFY_WORDS = {
    VerifyLevel.LISTED: "listed",
    VerifyLevel.STRUCTURE: "structure",
    VerifyLevel.CHECKSUMS: "checksums",
}


@dataclass(frozen=True, slots=True)
class Clock:
    """The reader's now and time zone, given from outside so that a picture holds."""

    now_utc: datetime
    zone: tzinfo | None = None
    """None is the system's own."""

    def local(self, at_utc: str) -> str:
        """`2026-11-20 03:00:12` in the reader's zone; as stored if it is no time."""
        moment = _moment(at_utc)
        if moment is None:
            return visible(at_utc)
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def age(self, at_utc: str) -> str:
        """`9 h ago`, or `now`; empty if it is no time."""
        if _moment(at_utc) is None:
            return ""
        words = age(at_utc, self.now_utc)
        return words if words == "now" else f"{words} ago"


@dataclass(frozen=True, slots=True)
class PointRow:
    """One line of the table; `damaged` holds the reason instead of the rest."""

    key: str
    """Its directory: two machines may have points of one id."""
    id: str
    seq: str
    created: str
    age: str
    vm_name: str
    levels: str
    consistency: str
    size: str
    verified: str
    trusted: bool | None
    """What the last check said; None without one."""
    damaged: str = ""


def point_rows(entries: Sequence[Entry], clock: Clock) -> tuple[PointRow, ...]:
    """Newest first within each machine, damaged entries in their place."""
    ordered = sorted(entries, key=lambda e: (_vm_name(e), -_seq(e)))
    return tuple(point_row(entry, clock) for entry in ordered)


def point_row(entry: Entry, clock: Clock) -> PointRow:
    if isinstance(entry, DamagedEntry):
        return _damaged_row(entry)
    point, verified = entry.point, entry.verified
    return PointRow(
        key=str(entry.directory),
        id=point.id,
        seq=str(point.seq),
        created=clock.local(point.created_utc)[:16],
        age=age(point.created_utc, clock.now_utc),
        vm_name=visible(point.vm_name),
        levels=level_words(point.disks),
        consistency=point.consistency.value,
        size=format_bytes(point.stored_bytes),
        verified=verified_words(verified, clock),
        trusted=verified.ok if verified else None,
    )


def level_words(disks: Sequence[StoredDisk]) -> str:
    """One word where all disks share a level, else a word for each."""
    levels = {disk.level for disk in disks}
    if len(levels) == 1:
        count = f" · {len(disks)} disks" if len(disks) > 1 else ""
        return f"{next(iter(levels)).value}{count}"
    short = {DiskLevel.FULL: "full", DiskLevel.INCREMENTAL: "incr"}
    return ", ".join(f"{visible(d.target)} {short[d.level]}" for d in disks)


def verified_words(found: Verification | None, clock: Clock) -> str:
    if found is None:
        return "never"
    ago = age(found.at_utc, clock.now_utc)
    return f"✓ {_VERIFY_WORDS[found.level]} {ago}" if found.ok else f"✗ bad {ago}"


def detail_page(entry: Entry, entries: Sequence[Entry], clock: Clock) -> Page:
    """All that is known of one point, its parents included."""
    if isinstance(entry, DamagedEntry):
        return _damaged_page(entry)
    point = entry.point
    frozen = ""
    if point.freeze_window_s is not None:
        frozen = f", frozen for {format_duration(point.freeze_window_s)}"
    rows = [
        labelled("point", said(point.id, Tone.STRONG)),
        labelled(
            "machine", joined([said(point.vm_name), said(point.vm_uuid, Tone.MUTED)])
        ),
        labelled("instant", _instant(point, clock)),
        labelled("consistency", said(f"{point.consistency.value}{frozen}")),
        *_verified(entry.verified, clock),
        labelled("stored in", said(str(entry.directory))),
    ]
    for disk in point.disks:
        rows += [BLANK, *_disk(disk, parents(entries, point, disk.target))]
    rows += [BLANK] if point.excluded or point.warnings else []
    rows += [
        labelled(f"without {left_out.target}", said(left_out.reason, Tone.MUTED))
        for left_out in point.excluded
    ]
    rows += [warning(text) for text in point.warnings]
    return tuple(rows)


def parents(entries: Sequence[Entry], point: Point, target: str) -> tuple[str, ...]:
    """What a disk of the point stands on, nearest first; `missing` ends a broken
    chain."""
    by_id = {e.point.id: e.point for e in entries if isinstance(e, StoredPoint)}
    found: list[str] = []
    disk = point.disk(target)
    while disk is not None and disk.parent is not None:
        above = by_id.get(disk.parent.point)
        if above is None or above.id in found:
            return (*found, f"{disk.parent.point} (missing)")
        found.append(above.id)
        disk = above.disk(target)
    return tuple(found)


def _disk(disk: StoredDisk, above: tuple[str, ...]) -> list[Paragraph]:
    size = f"{format_bytes(disk.bytes)} of a {format_bytes(disk.virtual_bytes)} disk"
    head = joined([said(disk.level.value, Tone.STRONG), said(size)])
    name = said(f" {disk.target}".ljust(14), Tone.STRONG)
    rows = [Paragraph(name, head)]
    if disk.reason:
        rows.append(labelled("  why", said(disk.reason, Tone.MUTED)))
    if above:
        stands_on = joined([said(each) for each in above], " → ")
        rows.append(labelled("  stands on", stands_on))
    rows.append(labelled("  file", said(disk.file)))
    rows.append(labelled("  sha256", said(disk.sha256, Tone.MUTED)))
    return rows


def _verified(found: Verification | None, clock: Clock) -> list[Paragraph]:
    style = Tone.MUTED if found is None else Tone.GOOD if found.ok else Tone.ALARM
    rows = [labelled("verified", said(verified_words(found, clock), style))]
    if found is not None and not found.ok:
        rows += [labelled("", said(text, Tone.ALARM)) for text in found.findings]
    return rows


def _instant(point: Point, clock: Clock) -> Line:
    parts = [said(clock.local(point.created_utc)), said(clock.age(point.created_utc))]
    return joined([*parts, said(f"no. {point.seq}", Tone.MUTED)])


def _damaged_row(entry: DamagedEntry) -> PointRow:
    return PointRow(
        key=str(entry.directory),
        id=entry.id,
        seq=str(entry.seq) if entry.seq else "?",
        created=visible(entry.id),
        age="",
        vm_name=visible(entry.vm_name),
        levels="",
        consistency="",
        size="",
        verified="✗ damaged",
        trusted=False,
        damaged=visible(entry.reason),
    )


def _damaged_page(entry: DamagedEntry) -> Page:
    remedy = (
        "it is neither used nor changed; restore another point, or put this one's"
        " files back from a copy"
    )
    return tuple(
        [
            labelled("point", said(entry.id, Tone.STRONG)),
            labelled("machine", said(entry.vm_name)),
            labelled("damaged", said(entry.reason, Tone.ALARM)),
            labelled("stored in", said(str(entry.directory))),
            labelled("what to do", said(remedy)),
        ]
    )


def _moment(at_utc: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(at_utc)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _vm_name(entry: Entry) -> str:
    if isinstance(entry, StoredPoint):
        return entry.point.vm_name
    return entry.vm_name


def _seq(entry: Entry) -> int:
    return entry.point.seq if isinstance(entry, StoredPoint) else entry.seq

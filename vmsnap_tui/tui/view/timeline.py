"""The points of a machine on one line, oldest to newest."""

from datetime import datetime

from vmsnap_tui.model.point import DiskLevel, VerifyLevel
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.spans import Line, Span, Tone, line, span


def timeline(points: tuple[StoredPoint, ...], glyphs: Glyphs, width: int) -> Line:
    """`●──○──○`: full points and increments; the newest that fit."""
    if not points:
        return line(span("no point yet: b makes one", Tone.CAUTION))
    fitting = points[-max((width - 1) // 3, 1) :]
    parts: list[Span] = []
    for stored in fitting:
        if parts:
            parts.append(span(glyphs.rule * 2, Tone.RULE))
        parts.append(_sign(stored, glyphs))
    return tuple(parts)


def is_full(stored: StoredPoint) -> bool:
    """Whether it stands on no other point."""
    return all(disk.level is DiskLevel.FULL for disk in stored.point.disks)


def _sign(stored: StoredPoint, glyphs: Glyphs) -> Span:
    if stored.verified is not None and not stored.verified.ok:
        return span(glyphs.bad, Tone.ALARM)
    sign = glyphs.full_point if is_full(stored) else glyphs.increment_point
    return span(sign, Tone.ACCENT)


def verified_span(stored: StoredPoint | None, now: datetime) -> Span:
    """When the point was last checked and how far."""
    if stored is None:
        return span("")
    if stored.verified is None:
        return span("not verified yet", Tone.MUTED)
    if not stored.verified.ok:
        return span("verification FAILED", Tone.ALARM)
    word = {
        VerifyLevel.LISTED: "listed",
        VerifyLevel.STRUCTURE: "structure",
        VerifyLevel.CHECKSUMS: "checksums",
    }[stored.verified.level]
    when = age(stored.verified.at_utc, now)
    ago = "just now" if when == "now" else f"{when} ago"
    return span(f"{word} verified {ago}", Tone.GOOD)

"""The first line of every screen."""

from datetime import datetime

from vmsnap_tui.backends.base import Link
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.spans import Line, Span, Tone, line, span

_WIDE = 100


def status_line(
    title: str, observed: Observed, now: datetime, glyphs: Glyphs, width: int
) -> tuple[Line, Line]:
    """Left part (who and where) and right part (jobs, alarms, time)."""

    left = (
        Span(" vmsnap-tui  " if title else " vmsnap-tui", Tone.STRONG),
        *line(title),
        *_links(observed, glyphs),
    )
    jobs = len(observed.all_jobs)
    alarms = observed.alarm_count
    right: list[Span] = []
    if jobs:
        right.append(span(f"{glyphs.job} {_counted(jobs, 'job')}   ", Tone.JOB))
    if alarms:
        right.append(span(f"{glyphs.alarm} {_counted(alarms, 'alarm')}   ", Tone.ALARM))
    shown = f"{now:%H:%M:%S} " if width >= _WIDE else f"{now:%H:%M} "
    return left, (*right, span(shown, Tone.MUTED))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _links(observed: Observed, glyphs: Glyphs) -> Line:
    """One connection by its state, many as a count with what is wrong with some."""
    fleet = observed.fleet
    if not fleet:
        return (span("  no connection", Tone.MUTED),) if observed.opened else ()
    down = sum(connection.link is Link.DOWN for connection in fleet)
    waiting = sum(connection.link is Link.CONNECTING for connection in fleet)
    parts = [span("  " + _counted(len(fleet), "connection"), Tone.MUTED)]
    if waiting:
        parts.append(span(f"   {waiting} connecting", Tone.CAUTION))
    if down:
        parts.append(span(f"   {glyphs.stale} {down} down", Tone.ALARM))
    return tuple(parts)

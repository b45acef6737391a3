"""What `doctor` found and what interrupted runs left, as the operator reads it."""

from collections.abc import Sequence

from vmsnap_tui.engine.doctor import Finding
from vmsnap_tui.engine.journal import Unfinished
from vmsnap_tui.tui.view.paragraphs import (
    BLANK,
    Page,
    Paragraph,
    joined,
    labelled,
    said,
)
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import Line, Tone

_SEVERITIES = {
    "alarm": ("▲", Tone.ALARM),
    "warning": ("△", Tone.CAUTION),
    "note": ("·", Tone.MUTED),
}
_ORDER = {"alarm": 0, "warning": 1, "note": 2}


def findings_page(findings: Sequence[Finding]) -> Page:
    """Worst first; each with its evidence and what to do about it."""
    if not findings:
        calm = said("nothing is stale, broken or in the way", Tone.GOOD)
        return tuple([Paragraph(said(" ✓ ", Tone.GOOD), calm)])
    worst_first = sorted(findings, key=lambda f: _ORDER.get(f.severity, 0))
    return tuple([row for finding in worst_first for row in _finding(finding)])


def finding_counts(findings: Sequence[Finding]) -> str:
    """`1 alarm · 2 warnings`, or `all well`."""
    counts = []
    for word in _ORDER:
        count = sum(f.severity == word for f in findings)
        if count:
            counts.append(f"{count} {word}{'s' * (count > 1)}")
    return " · ".join(counts) or "all well"


def unfinished_line(unfinished: Unfinished, clock: Clock) -> Line:
    """One line of the list: what it is, since when, who holds it."""
    mark, style = ("▸", Tone.CAUTION) if unfinished.alive else ("✗", Tone.ALARM)
    held = f"held by {unfinished.owner}" if unfinished.alive else unfinished.will
    return joined(
        [
            said(f" {mark}", style),
            said(unfinished.title, Tone.STRONG),
            said(clock.age(unfinished.started_utc), Tone.MUTED),
            said(held),
        ]
    )


def unfinished_page(unfinished: Unfinished, clock: Clock) -> Page:
    """What recovery will do with one operation, before it does."""
    start = [
        said(clock.local(unfinished.started_utc)),
        said(clock.age(unfinished.started_utc), Tone.MUTED),
    ]
    rows = [
        labelled("operation", said(unfinished.operation, Tone.STRONG)),
        labelled("what", said(unfinished.title)),
        labelled("started", joined(start)),
        labelled("recovery", said(unfinished.will)),
    ]
    if unfinished.point:
        rows.append(labelled("point", said(unfinished.point)))
    if unfinished.alive:
        note = f"{unfinished.owner} is at it: nothing is to be recovered"
        rows.append(labelled("owner", said(note, Tone.CAUTION)))
    return tuple(rows)


def _finding(finding: Finding) -> list[Paragraph]:
    mark, style = _SEVERITIES.get(finding.severity, _SEVERITIES["alarm"])
    lead = said(f" {mark} ", style)
    head = joined([said(finding.subject, Tone.STRONG), said(finding.kind, style)])
    rows = [Paragraph(lead, head)]
    if finding.evidence:
        rows.append(Paragraph(said("   "), said(finding.evidence)))
    if finding.remedy:
        arrow = said("   → ", Tone.MUTED)
        rows.append(Paragraph(arrow, said(finding.remedy)))
    return [*rows, BLANK]

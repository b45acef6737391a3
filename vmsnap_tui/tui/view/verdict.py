"""What a preflight says of a form: ready, with what; or refused, and what to do."""

from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.tui.view.paragraphs import (
    Page,
    Paragraph,
    joined,
    labelled,
    said,
    warning,
)
from vmsnap_tui.tui.view.plan_text import room_line
from vmsnap_tui.tui.view.spans import Tone


def verdict_page(plan: Plan | None, error: VmsnapError | None) -> Page:
    """Neither of both while the answer is still to come."""
    if error is not None:
        return _refused(error)
    if plan is None:
        return (Paragraph(said(" · ", Tone.MUTED), said("looking …", Tone.MUTED)),)
    ready = said("ready", Tone.GOOD)
    first = Paragraph(
        said(" ✓ ", Tone.GOOD), joined([ready, room_line(plan.estimates)])
    )
    return (first, *(warning(text) for text in plan.warnings))


def error_rows(error: VmsnapError) -> Page:
    """A failure as every screen shows it: cause, evidence, remedy."""
    rows = [labelled("because", said(error.cause, Tone.ALARM))]
    if error.evidence:
        rows.append(labelled("evidence", said(error.evidence)))
    if error.remedy:
        rows.append(labelled("what to do", said(error.remedy)))
    return tuple(rows)


def _refused(error: VmsnapError) -> Page:
    cause = Paragraph(said(" ✗ ", Tone.ALARM), said(error.cause, Tone.ALARM))
    rows = [Paragraph(said("   "), said(error.evidence))] if error.evidence else []
    if error.remedy:
        rows.append(Paragraph(said("   → ", Tone.MUTED), said(error.remedy)))
    return (cause, *rows)

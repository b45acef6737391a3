"""Operations that run here, elsewhere, or were interrupted: one row each."""

from datetime import datetime

from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Interrupted
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.spans import Line, Tone, line, span


def operation_cells(
    each: Interrupted, now: datetime, glyphs: Glyphs
) -> tuple[Line, ...]:
    """State, machine, title, age, and what comes next."""
    if each.alive:
        state = span(f"{glyphs.job} running", Tone.JOB)
        then = span(f"held by {each.owner}", Tone.MUTED)
    else:
        state = span(f"{glyphs.alarm} interrupted", Tone.ALARM)
        then = span(f"{each.will}: R recovers it", Tone.CAUTION)
    return (
        (state,),
        line(span(each.vm_name, Tone.STRONG)),
        line(each.title),
        line(age(each.started_utc, now)),
        (then,),
    )

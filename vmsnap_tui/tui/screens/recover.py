"""What recovering an interrupted operation means."""

from vmsnap_tui.tui.observed import Interrupted
from vmsnap_tui.tui.screens.confirm import Question
from vmsnap_tui.tui.view.age import clock_text
from vmsnap_tui.tui.view.spans import BLANK, Tone, line, span


def recover_question(first: Interrupted, count: int) -> Question:
    """The oldest one is recovered; the others are asked about after it."""
    more = (BLANK, line(f"{count - 1} more after this one.")) if count > 1 else ()
    return Question(
        f"Recover “{first.title}”?",
        "Recover",
        (
            line("Started ", span(clock_text(first.started_utc), Tone.STRONG)),
            line("It ", first.will, "."),
            *more,
        ),
        dangerous=False,
    )

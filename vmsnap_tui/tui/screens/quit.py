"""What leaving means while operations run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_tui.tui.screens.confirm import Question
from vmsnap_tui.tui.view.spans import BLANK, Tone, line, span

if TYPE_CHECKING:
    from vmsnap_tui.engine.runs import RunHandle


def quit_question(runs: tuple[RunHandle, ...]) -> Question:
    """What goes on without the operator, and who finishes it."""
    count = len(runs)
    noun = "operation runs" if count == 1 else "operations run"
    return Question(
        f"{count} {noun}. Leave?",
        "Leave",
        (
            *(line("  ", span(run.plan.title, Tone.STRONG)) for run in runs),
            BLANK,
            line("Jobs go on in QEMU until all is copied, and wait there."),
            line("The point is finished by the next start of vmsnap-tui (R)"),
            line("or by `vmsnap-tui recover --yes`. Until then every change"),
            line("goes on being recorded: nothing is lost."),
        ),
        dangerous=False,
    )

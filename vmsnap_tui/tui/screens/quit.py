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
            line("Jobs go on in QEMU until all is copied, then they wait there."),
            line("No point is made of it before the operation is finished: by the"),
            line("next start of vmsnap-tui (R), or by `vmsnap-tui recover --yes`."),
            line("Until then tracking keeps recording, and nothing is lost."),
        ),
        dangerous=False,
    )

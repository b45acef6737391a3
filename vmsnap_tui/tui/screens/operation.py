"""What the screens of operations share: a heading, and the way to a run.

Every operation passes the plan's screen, and a run is watched above the screen from
which the operation was asked for: esc goes back there, and the run goes on.
"""

from __future__ import annotations

from textual.widgets import Static

from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.tui.screens.base import BaseScreen, ResultT
from vmsnap_tui.tui.view.paragraphs import said
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.widgets.toned import content_of


class OperationScreen(BaseScreen[ResultT]):
    """A screen on the way from a request to a run."""

    def do_leave(self) -> None:
        self.dismiss()

    def review(self, plan: Plan) -> None:
        """Let the plan be read; a run of it takes this screen's place."""
        from vmsnap_tui.tui.screens.plan_review import PlanReview

        self.app.push_screen(PlanReview(plan), self._reviewed)

    def _reviewed(self, handle: RunHandle | None) -> None:
        from vmsnap_tui.tui.screens.run_watch import RunWatch

        if handle is not None:
            self.app.switch_screen(RunWatch(handle, just_begun=True))


def heading(line: Line = ()) -> Static:
    """The line under the status line: what this screen is about."""
    return Static(content_of(line), id="heading")


def field_label(text: str) -> Static:
    """The name before a field of a form."""
    return Static(content_of(said(text, Tone.MUTED)), classes="label")

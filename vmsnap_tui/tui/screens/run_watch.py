"""A run as it goes: every step, what moves, how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.engine.events import (
    EngineEvent,
    JobsMoved,
    JobView,
    Outcome,
    RunEvent,
)
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.confirm import Question
from vmsnap_tui.tui.screens.operation import OperationScreen, heading
from vmsnap_tui.tui.view.paragraphs import joined, said
from vmsnap_tui.tui.view.run_rows import (
    RunView,
    heard,
    line_of_step,
    outcome_sentence,
    refusal_lines,
    run_lines,
    undo_list,
)
from vmsnap_tui.tui.view.spans import BLANK, Line, Tone, line
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.toned import content_of

if TYPE_CHECKING:
    from vmsnap_tui.tui.app import VmsnapApp

_REDRAW_S = 0.5
_SHOWN_UNDOS = 8


class RunWatch(OperationScreen[None]):
    """Leaving it never stops the run."""

    NAME = "run-watch"
    CSS_PATH = ["operation.tcss", "run_watch.tcss"]
    AUTO_FOCUS = "#run-steps"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(NAME),
        Binding("enter", "enter", show=False),
    ]

    class Heard(Message):
        """The run told something."""

        def __init__(self, event: RunEvent) -> None:
            super().__init__()
            self.event = event

    class Broke(Message):
        """The run could not begin, or nobody can tell how it stands."""

        def __init__(self, error: VmsnapError) -> None:
            super().__init__()
            self.error = error

    class Planned(Message):
        """A plan was made anew, or refused."""

        def __init__(self, plan: Plan | None, error: VmsnapError | None) -> None:
            super().__init__()
            self.plan = plan
            self.error = error

    def __init__(self, handle: RunHandle, *, just_begun: bool = False) -> None:
        super().__init__()
        self.handle = handle
        self._replayed = 0 if just_begun else len(handle.history)
        self.view = RunView.of(handle.plan)
        self.error: VmsnapError | None = None
        self._cancelled = False
        self._heard = 0
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        yield LinesView(self._lines, id="run-steps")

    def on_mount(self) -> None:
        super().on_mount()
        self._timer = self.set_interval(_REDRAW_S, self.reload)
        self.run_worker(self._listen(), group="run")

    async def _listen(self) -> None:
        try:
            async for event in self.handle.events():
                self.post_message(self.Heard(event))
            await self.handle.result()
        except VmsnapError as error:
            self.post_message(self.Broke(error))

    @property
    def heard_all(self) -> bool:
        """Whether all that has happened so far is on screen."""
        return self.over or self._heard >= len(self.handle.history) > 0

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.view.result is not None or self.error is not None

    @property
    def vm_key(self) -> str | None:
        return self.handle.plan.vm or None

    def on_run_watch_heard(self, message: Heard) -> None:
        before = self.view.current
        self._heard += 1
        now_s = self._now_s() if self._heard > self._replayed else None
        self.view = heard(self.view, message.event, now_s)
        self._show()
        if self.view.result is not None:
            self.query_one("#run-steps", LinesView).scroll_home(animate=False)
        elif self.view.current not in (before, None):
            self._follow()

    def on_run_watch_broke(self, message: Broke) -> None:
        self.error = message.error
        self._show()

    def heard(self, event: EngineEvent) -> None:
        if isinstance(event, JobsMoved) and event.vm == self.handle.plan.vm:
            self.reload()

    def reload(self) -> None:
        if self.is_mounted:
            self.query_one("#run-steps", LinesView).show(self._lines)

    def _show(self) -> None:
        if self.over and self._timer is not None:
            self._timer.stop()
        self.query_one("#heading", Static).update(content_of(self._heading()))
        self.refresh_all()

    def _follow(self) -> None:
        """Keep the step that runs in sight."""
        pane = self.query_one("#run-steps", LinesView)
        y = line_of_step(self.view, pane.size.width) - pane.size.height // 2
        pane.scroll_to(y=max(y, 0), animate=False)

    def _heading(self) -> Line:
        plan = self.handle.plan
        parts = [said(plan.title, Tone.STRONG), said(self._standing())]
        if self.view.resumed:
            parts.append(said("resumed", Tone.MUTED))
        return joined([*parts, said(f"operation {plan.operation}", Tone.MUTED)])

    def _standing(self) -> str:
        if self.error is not None:
            return "did not begin"
        if self.over:
            return "is over"
        if self.view.undoing:
            return "is being undone"
        return "is being stopped" if self._cancelled else "runs"

    def _lines(self, width: int) -> tuple[Line, ...]:
        if self.error is not None:
            return refusal_lines(self.error, width)
        return run_lines(self.view, self._jobs(), self._now_s(), width)

    def _jobs(self) -> tuple[JobView, ...]:
        plan = self.handle.plan
        jobs = self.ours.observed.jobs.get(plan.vm, ())
        return tuple(each for each in jobs if each.job.operation == plan.operation)

    def _now_s(self) -> float:
        return self.ours.clock().timestamp()

    def why_not(self, name: str) -> str:
        if name == "plan_again" and self.error is None:
            return "Only a plan that was refused is made again."
        if name == "cancel_run":
            return self._why_not_cancel()
        return super().why_not(name)

    def _why_not_cancel(self) -> str:
        if self.over:
            return "The operation is over."
        if self.view.undoing or self._cancelled:
            return "It is being taken back already."
        if self.view.past_return:
            return "Its result stands already: it can only be finished."
        return ""

    def do_leave(self) -> None:
        """Leave the run alone; how it ends is told on whatever screen is on top."""
        if not self.over:
            app = self.ours
            app.say(f"{self.handle.plan.title} goes on; w watches it.")
            app.run_worker(tell_end(app, self.handle), group="ends")
        super().do_leave()

    def do_cancel_run(self) -> None:
        undos = undo_list(self.view)
        shown = [line("  ", each) for each in undos[:_SHOWN_UNDOS]]
        rest = len(undos) - len(shown)
        question = Question(
            f"Stop {self.handle.plan.title}?",
            "Stop and undo",
            (
                line("What has been done is taken back:" if undos else "Nothing is"),
                *(shown or [line("done yet.")]),
                *([line(f"  and {rest} more")] if rest else []),
                BLANK,
                line("The guest runs on, and no recorded change is forgotten."),
            ),
            self._why_not_cancel,
        )
        self.ours.ask(question, self._cancel)

    def _cancel(self) -> None:
        self._cancelled = True
        self.handle.cancel()
        self._show()

    def do_plan_again(self) -> None:
        self.run_worker(self._plan_again(), group="plan", exclusive=True)

    async def _plan_again(self) -> None:
        try:
            plan = await self.ours.engine.plan(self.handle.plan.request)
        except VmsnapError as error:
            self.post_message(self.Planned(None, error))
        else:
            self.post_message(self.Planned(plan, None))

    def on_run_watch_planned(self, message: Planned) -> None:
        if message.plan is not None:
            self.review(message.plan)
        elif message.error is not None:
            self.error = message.error
            self._show()

    def action_enter(self) -> None:
        """Enter closes what is over, and makes a refused plan again."""
        if self.error is not None:
            self.do_plan_again()
        elif self.over:
            self.do_leave()


async def tell_end(app: VmsnapApp, handle: RunHandle) -> None:
    """Say how a run ended that nobody watches; nothing if it is watched again."""
    try:
        result = await handle.result()
    except VmsnapError as error:
        app.say_error(error)
        return
    watched = app.on_top
    if isinstance(watched, RunWatch) and watched.handle is handle:
        return
    done = result.outcome is Outcome.DONE
    severity: Literal["information", "warning", "error"] = "information"
    if not done or result.warnings:
        severity = "warning" if done or result.interrupted else "error"
    app.say(outcome_sentence(result), severity)

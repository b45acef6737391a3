"""A form with a live preflight: what would happen is on screen before Continue.

The plan is made anew after each change. Continue goes on with the plan that fits
the form as it stands now: pressed too early, it waits for that plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Button, Input

from vmsnap_tui.errors import UsageError, VmsnapError
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import Request
from vmsnap_tui.tui.screens.operation import OperationScreen
from vmsnap_tui.tui.view.paragraphs import Page, builder
from vmsnap_tui.tui.view.verdict import verdict_page
from vmsnap_tui.tui.widgets.fields import Choice, TickBox
from vmsnap_tui.tui.widgets.lines import LinesView

_DEBOUNCE_S = 0.15
"""So long a form must stand still before it is planned: typing is not."""


class FormScreen(OperationScreen[None]):
    """Subclasses say `request` and show `described(plan)`."""

    AUTO_FOCUS = "#go"
    FIELD_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("pageup", "scroll_verdict(-1)", show=False),
        Binding("pagedown", "scroll_verdict(1)", show=False),
    ]

    class Planned(Message):
        """The preflight's answer to the form as it was at `turn`."""

        def __init__(
            self, turn: int, plan: Plan | None, error: VmsnapError | None
        ) -> None:
            super().__init__()
            self.turn = turn
            self.plan = plan
            self.error = error

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self.error: VmsnapError | None = None
        self._turn = 0
        self._asked: Request | None = None
        self._wanted = False
        self._debounce: Timer | None = None

    def request(self) -> Request:
        """What the form says now. Raises UsageError where it says nothing usable."""
        raise NotImplementedError(type(self))

    def ready(self) -> bool:
        """Whether there is enough on screen to make a request of it."""
        return True

    def described(self, plan: Plan | None) -> None:
        """Show in the fields what would happen; None where nothing would."""

    def verdict_and_buttons(self) -> Iterable[Widget]:
        """The lower end of every form."""
        verdict = LinesView(id="verdict")
        verdict.can_focus = False
        yield verdict
        with Horizontal(id="buttons"):
            yield Button(Content("Continue"), id="go", compact=True)
            yield Button(Content("Back"), id="back", compact=True)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.changed(at_once=True)

    def changed(self, *, at_once: bool = False) -> None:
        """The form, or the world under it, is another one: plan it anew."""
        self._turn += 1
        self.plan = None
        self.error = None
        if self._debounce is not None:
            self._debounce.stop()
        if at_once:
            self._check()
        else:
            self._debounce = self.set_timer(_DEBOUNCE_S, self._check)
        self._show_verdict()

    def refused(self, error: VmsnapError) -> None:
        """There will be no plan, whatever is changed here."""
        self._turn += 1
        self.plan, self.error = None, error
        self._show_verdict()

    def _check(self) -> None:
        if not self.ready():
            return
        self.run_worker(self._plan(self._turn), group="preflight", exclusive=True)

    async def _plan(self, turn: int) -> None:
        try:
            self._asked = None
            self._asked = self.request()
            plan = await self.ours.engine.plan(self._asked)
        except VmsnapError as error:
            self.post_message(self.Planned(turn, None, error))
        else:
            self.post_message(self.Planned(turn, plan, None))

    def on_form_screen_planned(self, message: Planned) -> None:
        if message.turn != self._turn:
            return
        self.plan, self.error = message.plan, message.error
        self.described(self.plan)
        self._show_verdict()
        if self._wanted:
            self._wanted = False
            self.do_proceed()

    def _show_verdict(self) -> None:
        if self.is_mounted:
            self.query_one("#verdict", LinesView).show(builder(self.verdict()))
            self.refresh_lines()

    def verdict(self) -> Page:
        """What the preflight says, in place."""
        return verdict_page(self.plan, self.error)

    def why_not(self, name: str) -> str:
        if name == "proceed" and self.error is not None:
            return f"There is no plan: {self.error.cause}."
        return super().why_not(name)

    def do_proceed(self) -> None:
        """Go on to the plan, at once or as soon as it is made."""
        if self.plan is not None:
            self.review(self.plan)
        elif self.error is not None:
            self.ours.say(self.why_not("proceed"), "warning")
        else:
            self._wanted = True

    def do_flip_field(self) -> None:
        """Space on a button is a press; fields take it themselves."""
        if isinstance(self.focused, Button):
            self.focused.press()

    def action_scroll_verdict(self, pages: int) -> None:
        pane = self.query_one("#verdict", LinesView)
        pane.scroll_relative(y=pages * max(pane.size.height - 1, 1), animate=False)

    @on(Button.Pressed, "#go")
    def _go_pressed(self) -> None:
        self.do_proceed()

    @on(Button.Pressed, "#back")
    def _back_pressed(self) -> None:
        self.do_leave()

    @on(TickBox.Changed)
    @on(Choice.Changed)
    @on(Input.Changed)
    def _field_changed(self) -> None:
        if self.ready() and not self._is_asked():
            self.changed()

    @property
    def settled(self) -> bool:
        """Whether the verdict on screen is about the form as it stands."""
        if self.error is not None and self._asked is None:
            return True
        return (self.plan or self.error) is not None and self._is_asked()

    def _is_asked(self) -> bool:
        """Whether the form says what it said when it was planned last."""
        try:
            return self.request() == self._asked
        except UsageError:
            return False

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.do_proceed()


def chosen_targets(boxes: Iterable[TickBox]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ticked and unticked disks; raises UsageError when none is ticked."""
    free = [box for box in boxes if not box.fixed]
    ticked = tuple(box.name or "" for box in free if box.value)
    if not ticked:
        raise UsageError("no disk is ticked", remedy="tick a disk with space")
    return ticked, tuple(box.name or "" for box in free if not box.value)

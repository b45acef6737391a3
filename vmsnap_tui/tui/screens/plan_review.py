"""The plan of an operation, to be read before anything happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.operation import OperationScreen, heading
from vmsnap_tui.tui.view.paragraphs import Page, builder, joined, said
from vmsnap_tui.tui.view.plan_text import commands_page, commands_text, plan_page
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.toned import content_of


class PlanReview(OperationScreen[RunHandle]):
    """Dismisses with the run, or with nothing: then nothing has happened."""

    NAME = "plan-review"
    CSS_PATH = ["operation.tcss", "plan_review.tcss"]
    AUTO_FOCUS = "#run"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(NAME),
        Binding("up", "scroll_plan(-1)", show=False),
        Binding("down", "scroll_plan(1)", show=False),
        Binding("pageup", "page_plan(-1)", show=False),
        Binding("pagedown", "page_plan(1)", show=False),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self._shows_commands = False
        self._started = False

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        yield LinesView(builder(plan_page(self.plan)), id="plan")
        with Horizontal(id="buttons"):
            yield Button(Content("Run"), id="run", compact=True)
            yield Button(Content("Back"), id="back", compact=True)

    def reload(self) -> None:
        page = self._page()
        self.query_one("#plan", LinesView).show(builder(page))

    def _heading(self) -> Line:
        what = "Commands" if self._shows_commands else "Plan"
        note = "nothing has happened yet"
        return joined([said(f"{what}: {self.plan.title}", Tone.STRONG), said(note)])

    def _page(self) -> Page:
        if not self._shows_commands:
            return plan_page(self.plan)
        return commands_page(self.plan, self.ours.engine.commands(self.plan))

    def do_run(self) -> None:
        """Start the plan, once, however often the key is pressed."""
        if self._started:
            return
        try:
            handle = self.ours.engine.start(self.plan)
        except VmsnapError as error:
            self.ours.say_error(error)
            return
        self._started = True
        self.dismiss(handle)

    def do_commands(self) -> None:
        self._shows_commands = not self._shows_commands
        self.query_one("#heading", Static).update(content_of(self._heading()))
        self.query_one("#plan", LinesView).scroll_home(animate=False)
        self.reload()

    def do_copy_commands(self) -> None:
        """Copy by OSC 52: it also works over SSH, where the terminal allows it."""
        commands = self.ours.engine.commands(self.plan)
        self.app.copy_to_clipboard(commands_text(self.plan, commands))
        self.ours.say("The commands are on the clipboard, if the terminal allows it.")

    @on(Button.Pressed, "#run")
    def _run_pressed(self) -> None:
        self.do_run()

    @on(Button.Pressed, "#back")
    def _back_pressed(self) -> None:
        self.do_leave()

    def action_scroll_plan(self, lines: int) -> None:
        self.query_one("#plan", LinesView).scroll_relative(y=lines, animate=False)

    def action_page_plan(self, pages: int) -> None:
        pane = self.query_one("#plan", LinesView)
        pane.scroll_relative(y=pages * max(pane.size.height - 1, 1), animate=False)

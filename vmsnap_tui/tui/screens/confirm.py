"""One question before anything that cannot be taken back: what, to which object.

Cancel is where the focus is. When what the question was about changes meanwhile the
answer would be to another question: the dialog closes and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from vmsnap_tui.engine.events import EngineEvent
from vmsnap_tui.text import visible
from vmsnap_tui.tui.screens.base import BaseDialog
from vmsnap_tui.tui.view.spans import Line
from vmsnap_tui.tui.widgets.toned import content_of


def _always() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Question:
    """`title` names the object; `verb` is what the button does, never
    "OK"; `refuse` leaves everything as it is and has the focus.

    `void` gives the reason when the question no longer stands, else nothing.
    """

    title: str
    verb: str
    lines: tuple[Line, ...] = ()
    void: Callable[[], str] = _always
    dangerous: bool = True
    refuse: str = "Cancel"


class ConfirmDialog(BaseDialog[bool]):
    """Dismisses with True only when the verb was chosen and still stands."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "Cancel"),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        asked = self.question
        with Vertical(id="dialog", classes="-dangerous" if asked.dangerous else ""):
            yield Static(Content(visible(asked.title)), id="question")
            if asked.lines:
                yield Static(content_of(*asked.lines), id="consequences")
            with Horizontal(id="answers"):
                yield Button(Content(visible(asked.refuse)), id="no", compact=True)
                yield Button(Content(visible(asked.verb)), id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    def heard(self, event: EngineEvent) -> None:
        """Close when the question no longer stands."""
        if reason := self.question.void():
            self.dismiss(False)
            self.ours.say(f"Not asked any more: {reason}", "warning")

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.action_answer(False)

    @on(Button.Pressed, "#yes")
    def _chosen(self) -> None:
        self.action_answer(True)

    def action_answer(self, yes: bool) -> None:
        reason = self.question.void() if yes else ""
        self.dismiss(yes and not reason)
        if reason:
            self.ours.say(f"Nothing was done: {reason}", "warning")

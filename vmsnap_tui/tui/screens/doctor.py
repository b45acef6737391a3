"""What is stale, broken or left over, with the evidence and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.engine.doctor import Finding
from vmsnap_tui.engine.journal import Unfinished
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.off_loop import off_loop
from vmsnap_tui.tui.screens.confirm import Question
from vmsnap_tui.tui.screens.operation import OperationScreen, heading
from vmsnap_tui.tui.view.finding_rows import (
    finding_counts,
    findings_page,
    unfinished_line,
    unfinished_page,
)
from vmsnap_tui.tui.view.paragraphs import Page, builder, joined, lay_out, said
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.view.verdict import error_rows
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Column, Row, Table
from vmsnap_tui.tui.widgets.toned import content_of

_DIALOG_CELLS = 58


class DoctorScreen(OperationScreen[None]):
    """Interrupted operations on top, to be recovered; below, everything found."""

    NAME = "doctor"
    CSS_PATH = ["operation.tcss", "doctor.tcss"]
    AUTO_FOCUS = "#findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(NAME)]

    class Looked(Message):
        """The examination is over."""

        def __init__(
            self, findings: tuple[Finding, ...], unfinished: tuple[Unfinished, ...]
        ) -> None:
            super().__init__()
            self.findings = findings
            self.unfinished = unfinished

    class Failed(Message):
        """It could not be made."""

        def __init__(self, error: VmsnapError) -> None:
            super().__init__()
            self.error = error

    def __init__(self) -> None:
        super().__init__()
        self.findings: tuple[Finding, ...] | None = None
        self.unfinished: tuple[Unfinished, ...] = ()
        self.error: VmsnapError | None = None

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        column = Column("what", "interrupted operations", 20, flex=1)
        yield Table((column,), glyphs=self.ours.glyphs, id="unfinished")
        yield LinesView(id="findings")

    def _heading(self) -> Line:
        counts = "looking …"
        if self.findings is not None:
            counts = finding_counts(self.findings)
        return joined([said("Doctor", Tone.STRONG), said(counts, Tone.MUTED)])

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.do_look_again()

    def do_look_again(self) -> None:
        self.run_worker(self._look(), group="look", exclusive=True)

    async def _look(self) -> None:
        engine = self.ours.engine
        try:
            unfinished = await off_loop(engine.unfinished)
            findings = await engine.doctor()
        except VmsnapError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Looked(findings, unfinished))

    def on_doctor_screen_looked(self, message: Looked) -> None:
        self.findings, self.error = message.findings, None
        self.unfinished = message.unfinished
        self.refresh_all()

    def on_doctor_screen_failed(self, message: Failed) -> None:
        self.error = message.error
        self.refresh_all()

    def reload(self) -> None:
        table = self.query_one("#unfinished", Table)
        table.set_rows([self._row(each) for each in self.unfinished])
        appeared = bool(self.unfinished) and not table.display
        table.display = bool(self.unfinished)
        if appeared:
            table.focus()
        self.query_one("#findings", LinesView).show(builder(self._page()))
        self.query_one("#heading", Static).update(content_of(self._heading()))

    def _row(self, unfinished: Unfinished) -> Row:
        return Row(unfinished.operation, (unfinished_line(unfinished, self._clock()),))

    def _page(self) -> Page:
        if self.error is not None:
            return error_rows(self.error)
        return findings_page(self.findings) if self.findings is not None else ()

    def _clock(self) -> Clock:
        now = self.ours.clock()
        return Clock(now, now.tzinfo)

    @property
    def chosen(self) -> Unfinished | None:
        """The interrupted operation under the cursor."""
        if not self.is_mounted:
            return None
        key = self.query_one("#unfinished", Table).cursor_key
        return next((each for each in self.unfinished if each.operation == key), None)

    @on(Table.RowSelected)
    async def _selected(self) -> None:
        await self.ours.action_do("recover_chosen")

    def why_not(self, name: str) -> str:
        if name != "recover_chosen":
            return super().why_not(name)
        if self.chosen is None:
            return "No operation was interrupted: there is nothing to recover."
        if self.chosen.alive:
            return f"{self.chosen.owner} is at it: it is not interrupted."
        return ""

    def do_recover_chosen(self) -> None:
        chosen = self.chosen
        if chosen is None:
            return
        question = Question(
            f"Recover {chosen.title}?",
            "Recover",
            lay_out(unfinished_page(chosen, self._clock()), _DIALOG_CELLS),
            dangerous=False,
        )
        self.ours.ask(question, lambda: self.ours.recover(chosen.operation))

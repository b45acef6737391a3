"""Restore points: what there is, how far it was checked, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, TypeAlias

from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.engine.events import EngineEvent, RunEnded
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.off_loop import off_loop
from vmsnap_tui.tui.screens.detailed import DetailedScreen
from vmsnap_tui.tui.screens.operation import heading
from vmsnap_tui.tui.view.paragraphs import builder, joined, said
from vmsnap_tui.tui.view.point_rows import (
    Clock,
    Entry,
    PointRow,
    detail_page,
    point_rows,
)
from vmsnap_tui.tui.view.run_rows import progress_line
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.view.verdict import error_rows
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Column, Row, Table
from vmsnap_tui.tui.widgets.toned import content_of

Severity: TypeAlias = Literal["information", "warning", "error"]

_COLUMNS = (
    Column("seq", "no.", 4, right=True),
    Column("created", "created", 16),
    Column("age", "age", 6),
    Column("vm", "machine", 8, flex=1),
    Column("levels", "disks", 18, flex=2),
    Column("consistency", "consistency", 16, hide_below=100),
    Column("size", "stored", 8, right=True),
    Column("verified", "verified", 17),
)
_REDRAW_RATIO = 0.005
"""Of the whole: a check is drawn at most two hundred times."""


class PointsScreen(DetailedScreen):
    """Points of one machine, or of all; damaged ones keep their place."""

    NAME = "points"
    CSS_PATH = ["operation.tcss", "points.tcss"]
    AUTO_FOCUS = LIST = "#points"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(NAME)]

    class Listed(Message):
        """The repository was read."""

        def __init__(self, entries: tuple[Entry, ...]) -> None:
            super().__init__()
            self.entries = entries

    class Failed(Message):
        """The repository could not be read, or a check not be made."""

        def __init__(self, error: VmsnapError) -> None:
            super().__init__()
            self.error = error

    class Checked(Message):
        """A check moved on; `found` is set when it has ended."""

        def __init__(
            self, point: str, progress: Line, found: Verification | None = None
        ) -> None:
            super().__init__()
            self.point = point
            self.progress = progress
            self.found = found

    def __init__(self, vm_key: str | None = None) -> None:
        super().__init__()
        self._vm_key = vm_key
        self.entries: tuple[Entry, ...] = ()
        self.error: VmsnapError | None = None
        self.listed = False
        self.checking = ""
        self._progress: Line = ()

    @property
    def vm_key(self) -> str | None:
        return self._vm_key

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        columns = tuple(c for c in _COLUMNS if c.key != "vm" or self._vm_key is None)
        yield Table(columns, glyphs=self.ours.glyphs, id="points")
        yield LinesView(id="detail")
        yield Static(id="progress")

    def _heading(self) -> Line:
        of = f" of {self.vm.name}" if self.vm else ""
        where = str(self.ours.engine.settings.repository or "no repository")
        return joined(
            [said(f"Points{of}", Tone.STRONG), said(f"in {where}", Tone.MUTED)]
        )

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.do_look_again()

    def heard(self, event: EngineEvent) -> None:
        if isinstance(event, RunEnded):
            self.do_look_again()

    def do_look_again(self) -> None:
        self.run_worker(self._list(), group="list", exclusive=True)

    async def _list(self) -> None:
        try:
            entries = await off_loop(self.ours.engine.points, self._vm_key)
        except VmsnapError as error:
            self.post_message(self.Failed(error))
        else:
            self.post_message(self.Listed(entries))

    def on_points_screen_listed(self, message: Listed) -> None:
        self.entries, self.error = message.entries, None
        self.listed = True
        self.refresh_all()

    def on_points_screen_failed(self, message: Failed) -> None:
        self.checking, self._progress = "", ()
        if self.listed:
            self.ours.say_error(message.error)
        else:
            self.error = message.error
        self.refresh_all()

    def reload(self) -> None:
        rows = point_rows(self.entries, self._clock())
        with_vm = self._vm_key is None
        table = self.query_one("#points", Table)
        table.set_rows([_row(row, with_vm) for row in rows])
        self.show_detail()
        progress = self.query_one("#progress", Static)
        progress.update(content_of(self._progress))
        progress.display = bool(self._progress)

    def _clock(self) -> Clock:
        now = self.ours.clock()
        return Clock(now, now.tzinfo)

    def show_detail(self) -> None:
        pane = self.query_one("#detail", LinesView)
        entry = self.chosen
        if entry is not None:
            page = detail_page(entry, self.entries, self._clock())
            pane.show(builder(page))
        elif self.error is not None:
            pane.show(builder(error_rows(self.error)))
        else:
            pane.show(lambda width: (self._empty(),))
        self.set_class(entry is None, "-empty")

    def _empty(self) -> Line:
        if not self.listed:
            return said(" reading the repository …", Tone.MUTED)
        return said(" no point yet: b on a machine makes one", Tone.MUTED)

    @property
    def chosen(self) -> Entry | None:
        """The entry under the cursor."""
        if not self.is_mounted:
            return None
        key = self.query_one("#points", Table).cursor_key
        return next((e for e in self.entries if str(e.directory) == key), None)

    def why_not(self, name: str) -> str:
        if name in ("verify", "restore_point"):
            return self._why_not_read(name)
        return super().why_not(name)

    def _why_not_read(self, name: str) -> str:
        entry = self.chosen
        if entry is None:
            return "No point is highlighted."
        if not isinstance(entry, StoredPoint):
            return f"The point is damaged: {entry.reason}."
        if name == "verify" and self.checking:
            return f"Point {self.checking} is being read; one at a time."
        return ""

    def do_restore_point(self) -> None:
        if isinstance(self.chosen, StoredPoint):
            self.ours.open_restore(self.chosen.point.id)

    def do_verify(self) -> None:
        if isinstance(self.chosen, StoredPoint):
            self.checking = self.chosen.point.id
            self.app.run_worker(self._verify(self.checking), group="verify")

    async def _verify(self, point: str) -> None:
        """Runs on when this screen is left: its result is said wherever one is."""
        app, told = self.ours, 0

        def moved(done_bytes: int, total_bytes: int, what: str) -> None:
            nonlocal told
            step = total_bytes * _REDRAW_RATIO
            if done_bytes == total_bytes or done_bytes - told > step:
                told = done_bytes
                line = progress_line(what, done_bytes, total_bytes)
                self.post_message(self.Checked(point, line))

        try:
            found = await app.engine.verify(point, VerifyLevel.CHECKSUMS, moved)
        except VmsnapError as error:
            self.post_message(self.Failed(error))
            return
        if not found.ok or app.on_top is not self:
            app.say(*_verdict(point, found))
        self.post_message(self.Checked(point, (), found))

    def on_points_screen_checked(self, message: Checked) -> None:
        self._progress = message.progress
        if message.found is not None:
            self.checking = ""
            text, severity = _verdict(message.point, message.found)
            tone = Tone.ALARM if severity == "error" else Tone.GOOD
            self._progress = said(f" {text}", tone)
            self.ours.read_records()
            self.do_look_again()
        self.reload()


def _verdict(point: str, found: Verification) -> tuple[str, Severity]:
    if found.ok:
        return f"Point {point} is whole: every sha256 is right.", "information"
    return f"Point {point} is bad: {'; '.join(found.findings)}", "error"


def _row(row: PointRow, with_vm: bool) -> Row:
    tone = Tone.MUTED
    if row.trusted is not None:
        tone = Tone.GOOD if row.trusted else Tone.ALARM
    levels = said(row.damaged, Tone.ALARM) if row.damaged else said(row.levels)
    return Row(
        key=row.key,
        cells=(
            said(row.seq, Tone.MUTED),
            said(row.created),
            said(row.age, Tone.MUTED),
            *((said(row.vm_name),) if with_vm else ()),
            levels,
            said(row.consistency),
            said(row.size),
            said(row.verified, tone),
        ),
    )

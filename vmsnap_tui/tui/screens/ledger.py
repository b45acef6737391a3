"""One machine's checkpoints, bitmaps and points, held against each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import EngineEvent, RunEnded
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.model.ledger import Ledger, LedgerRow
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.detailed import DetailedScreen
from vmsnap_tui.tui.screens.operation import heading
from vmsnap_tui.tui.view.ledger_rows import (
    DISK_CELLS,
    Matrix,
    empty_page,
    matrix,
    row_page,
    summary,
)
from vmsnap_tui.tui.view.paragraphs import Page, builder, joined, said
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.view.verdict import error_rows
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Column, Row, Table
from vmsnap_tui.tui.widgets.toned import content_of


class LedgerScreen(DetailedScreen):
    """The matrix above, the highlighted checkpoint below; enter gives it the screen."""

    NAME = "ledger"
    CSS_PATH = ["operation.tcss", "ledger.tcss"]
    AUTO_FOCUS = LIST = "#ledger"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(NAME)]

    class Read(Message):
        """The three records were read, or could not be."""

        def __init__(self, ledger: Ledger | None, error: VmsnapError | None) -> None:
            super().__init__()
            self.ledger = ledger
            self.error = error

    class Planned(Message):
        """A repair was planned."""

        def __init__(self, plan: Plan) -> None:
            super().__init__()
            self.plan = plan

    def __init__(self, vm_key: str) -> None:
        super().__init__()
        self._vm_key = vm_key
        self.ledger: Ledger | None = None
        self.error: VmsnapError | None = None

    @property
    def vm_key(self) -> str | None:
        return self._vm_key

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        yield Table((), glyphs=self.ours.glyphs, id="ledger")
        yield LinesView(id="detail")

    def _heading(self) -> Line:
        of = f" of {self.vm.name}" if self.vm else ""
        found = "reading …" if self.error is None else "not read"
        if self.ledger is not None:
            found = summary(self.ledger)
        return joined([said(f"Ledger{of}", Tone.STRONG), said(found, Tone.MUTED)])

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.do_look_again()

    def heard(self, event: EngineEvent) -> None:
        if isinstance(event, RunEnded):
            self.do_look_again()

    def on_resize(self) -> None:
        self.call_after_refresh(self.reload)

    def do_look_again(self) -> None:
        self.run_worker(self._read(), group="read", exclusive=True)

    async def _read(self) -> None:
        try:
            ledger = await self.ours.engine.ledger(self._vm_key)
        except VmsnapError as error:
            self.post_message(self.Read(None, error))
        else:
            self.post_message(self.Read(ledger, None))

    def on_ledger_screen_read(self, message: Read) -> None:
        self.error = message.error
        if message.ledger is not None:
            self.ledger = message.ledger
        self.refresh_all()

    def reload(self) -> None:
        if self.ledger is not None:
            width = self.size.width - 2
            found = matrix(self.ledger, width, self.ours.clock(), self.ours.glyphs)
            table = self.query_one("#ledger", Table)
            table.columns = _columns(found)
            table.set_rows([Row(key, cells) for key, cells in found.rows])
            table.refresh()
        self.show_detail()
        self.query_one("#heading", Static).update(content_of(self._heading()))

    def show_detail(self) -> None:
        self.query_one("#detail", LinesView).show(builder(self._page()))
        self.set_class(self.chosen is None, "-empty")

    def _page(self) -> Page:
        if self.error is not None:
            return error_rows(self.error)
        if self.ledger is None:
            return ()
        glyphs, now = self.ours.glyphs, self.ours.clock()
        if self.chosen is None:
            return empty_page(self.ledger, glyphs)
        return row_page(self.chosen, self.ledger, Clock(now, now.tzinfo), glyphs)

    @property
    def chosen(self) -> LedgerRow | None:
        """The checkpoint under the cursor."""
        if not self.is_mounted or self.ledger is None or self.error is not None:
            return None
        return self.ledger.row(self.query_one("#ledger", Table).cursor_key or "")

    def why_not(self, name: str) -> str:
        if name not in ("repair", "repair_chosen"):
            return super().why_not(name)
        return self._why_not_repair() or (
            self._why_not_chosen() if name == "repair_chosen" else ""
        )

    def _why_not_repair(self) -> str:
        if self.ledger is None or self.vm is None:
            return "The ledger has not been read."
        connection = self.ours.observed.connection_of(self._vm_key)
        if connection is None or connection.link is not Link.UP:
            return "The connection is down; this is what was read last."
        limit = self.vm.limit(Ability.REPAIR)
        if limit is not None:
            return f"{limit.sentence}."
        return "" if self.ledger.mendable else "Nothing is to be repaired."

    def _why_not_chosen(self) -> str:
        if self.chosen is None:
            return "No checkpoint is highlighted."
        if self.chosen.mendable:
            return ""
        drifts = self.chosen.drifts
        return f"{drifts[0].remedy}." if drifts else "Its records agree."

    def do_repair(self) -> None:
        """Plan for all that a repair does something about."""
        self._plan(RepairRequest(self._vm_key))

    def do_repair_chosen(self) -> None:
        if self.chosen is not None:
            self._plan(RepairRequest(self._vm_key, (self.chosen.name,)))

    def _plan(self, request: RepairRequest) -> None:
        self.run_worker(self._planned(request), group="plan", exclusive=True)

    async def _planned(self, request: RepairRequest) -> None:
        try:
            plan = await self.ours.engine.plan(request)
        except VmsnapError as error:
            self.ours.say_error(error)
        else:
            self.post_message(self.Planned(plan))

    def on_ledger_screen_planned(self, message: Planned) -> None:
        self.review(message.plan)

    def _reviewed(self, handle: RunHandle | None) -> None:
        """The run is watched above the ledger, which then shows what came of it."""
        from vmsnap_tui.tui.screens.run_watch import RunWatch

        if handle is not None:
            self.app.push_screen(RunWatch(handle, just_begun=True))


def _columns(found: Matrix) -> tuple[Column, ...]:
    """A disk is known by its place: two may have one name on screen."""
    return (
        Column("sign", "", 1),
        Column("name", "checkpoint", 12, flex=1),
        Column("since", "since", 5),
        *(
            Column(f"disk-{number}", title, DISK_CELLS, flex=1)
            for number, title in enumerate(found.disks)
        ),
        Column("stored", "point", 7),
        Column("drift", "drift", 14, flex=2),
    )

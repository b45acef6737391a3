"""Every machine with its state, what changed, its last point; alarms first."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import (
    EngineEvent,
    FleetChanged,
    JobsMoved,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.view.detail import connection_lines, empty_lines, vm_lines
from vmsnap_tui.tui.view.fleet import (
    CONNECTION_KEY,
    FleetRow,
    FleetRows,
    banner_lines,
)
from vmsnap_tui.tui.view.spans import Line
from vmsnap_tui.tui.widgets.filter_box import FilterBox
from vmsnap_tui.tui.widgets.job_panel import JobPanel
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Column, Row, Table
from vmsnap_tui.tui.widgets.toned import content_of

_COLUMNS = (
    Column("state", "State", 10),
    Column("name", "VM", 12, flex=1),
    Column("changed", "Changed", 10, right=True),
    Column("point", "Point", 6, right=True),
    Column("chain", "Images", 6, right=True),
)


class HomeScreen(BaseScreen[None]):
    """The fleet on the left; on wide screens the highlighted machine on the right."""

    NAME = "home"
    BINDINGS: ClassVar[list[BindingType]] = bindings(NAME)

    def __init__(self) -> None:
        super().__init__()
        self._busy: frozenset[str] = frozenset()
        self._minute = -1
        self._fleet_rows = FleetRows()
        self._rows: dict[tuple[str, str], Row] = {}

    def body(self) -> Iterable[Widget]:
        glyphs = self.ours.glyphs
        yield Static(id="banner")
        yield Horizontal(
            Vertical(
                FilterBox(),
                Table(_COLUMNS, glyphs=glyphs, id="fleet"),
                id="left",
            ),
            LinesView(id="detail"),
            id="panes",
        )
        yield JobPanel(glyphs, rows=6, id="job-panel")

    @property
    def table(self) -> Table:
        return self.query_one("#fleet", Table)

    @property
    def vm_key(self) -> str | None:
        key = self.table.cursor_key if self.is_mounted else None
        return None if key is None or key.startswith(CONNECTION_KEY) else key

    def why_not(self, name: str) -> str:
        if name == "open" and self._on_connection:
            return ""
        return super().why_not(name)

    @property
    def _on_connection(self) -> bool:
        key = self.table.cursor_key if self.is_mounted else None
        return key is not None and key.startswith(CONNECTION_KEY)

    def do_open(self) -> None:
        if self._on_connection:
            self.add_class("-reading")
        else:
            self.ours.do_open()

    def heard(self, event: EngineEvent) -> None:
        match event:
            case FleetChanged():
                self.reload()
            case JobsMoved(vm, jobs):
                self._show_jobs()
                self._note_busy(vm, busy=bool(jobs))
            case StepStarted() | StepEnded():
                self.reload()
            case _:
                pass

    def _note_busy(self, vm: str, *, busy: bool) -> None:
        """The sign beside the name comes and goes with the machine's jobs."""
        if busy != (vm in self._busy):
            self._busy ^= {vm}
            self.reload()

    def tick(self) -> None:
        super().tick()
        minute = self.ours.clock().minute
        if minute != self._minute:
            self._minute = minute
            self.reload()

    def reload(self) -> None:
        app = self.ours
        rows = self._fleet_rows.rows(app.observed, app.clock(), app.glyphs)
        self.table.set_rows(self._kept(rows))
        if not self.table.touched and not app.observed.records_read:
            self.table.rest()  # alarms come first, whichever machine came first
        self.set_class(not rows, "-empty")
        self.set_class(self._is_nobody_there(rows), "-lone")
        if self.focused is None:
            self.table.focus()
        self._show_jobs()
        self._show_banner()
        self._show_detail()

    def _is_nobody_there(self, rows: tuple[FleetRow, ...]) -> bool:
        """The only connection is down, and never told of a machine: why, and what to
        do, is all that there is to see, on a narrow screen too."""
        down = all(view.link is Link.DOWN for view in self.ours.observed.fleet)
        return down and len(rows) == 1 and rows[0].key.startswith(CONNECTION_KEY)

    def _kept(self, rows: tuple[FleetRow, ...]) -> list[Row]:
        """Rows that say what they said stay the same ones: what a filter looks for in
        them is worked out once."""
        kept: list[Row] = []
        for row in rows:
            new = Row(row.key, row.cells, row.sort, row.heading, row.group)
            old = self._rows.get((row.group, row.key))
            kept.append(old if old is not None and old == new else new)
        self._rows = {(row.group, row.key): row for row in kept}
        return kept

    def _show_jobs(self) -> None:
        self.query_one("#job-panel", JobPanel).set_jobs(self.ours.observed.all_jobs)

    def _show_banner(self) -> None:
        lines = banner_lines(self.ours.observed, self.ours.glyphs)
        banner = self.query_one("#banner", Static)
        banner.display = bool(lines)
        banner.update(content_of(*lines))

    def _show_detail(self) -> None:
        self.query_one("#detail", LinesView).show(self._detail)

    def _detail(self, width: int) -> tuple[Line, ...]:
        app = self.ours
        key = self.table.cursor_key
        if key is None:
            return empty_lines(app.observed, width)
        if key.startswith(CONNECTION_KEY):
            view = app.observed.connection(key.removeprefix(CONNECTION_KEY))
            return connection_lines(view, width) if view else ()
        return vm_lines(app.observed, key, app.clock(), app.glyphs, width)

    @on(Table.RowHighlighted, "#fleet")
    def _highlighted(self) -> None:
        self._show_detail()
        self.refresh_lines()

    @on(Table.RowSelected, "#fleet")
    async def _selected(self) -> None:
        await self.ours.action_do("open")

    def do_filter(self) -> None:
        self.query_one(FilterBox).open()

    @on(FilterBox.Changed)
    def _filtered(self, event: FilterBox.Changed) -> None:
        self.table.set_filter(event.value)

    @on(FilterBox.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    def key_escape(self) -> None:
        """Show every machine again."""
        self.remove_class("-reading")
        self.query_one(FilterBox).drop()

    def do_sort(self) -> None:
        keys = ["", *(column.key for column in _COLUMNS)]
        here = keys.index(self.table.sort_key)
        key = keys[(here + 1) % len(keys)]
        self.table.sort_by(key, reverse=key in ("changed", "chain"))

"""What the hypervisors say, as it comes in; filtered, paused, never without bound."""

from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.engine.events import EngineEvent
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.observed import HEARD_EVENTS
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.view.detail import wrapped
from vmsnap_tui.tui.view.events import data_text, event_cells
from vmsnap_tui.tui.view.spans import Line, line
from vmsnap_tui.tui.widgets.filter_box import FilterBox
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Column, Row, Table

SHOW_EVERY_S = 0.25
"""A storm of events is drawn four times a second, not once an event."""

_COLUMNS = (
    Column("time", "Time", 12),
    Column("vm", "VM", 12),
    Column("name", "Event", 24),
    Column("data", "Data", 10, flex=1),
)


class EventsScreen(BaseScreen[None]):
    """The newest is at the bottom; the cursor follows it while it is there."""

    NAME = "events"
    CSS_PATH = "events.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(NAME)
    AUTO_FOCUS = "#wire"

    def __init__(self, vm_key: str | None = None) -> None:
        super().__init__()
        self._about = vm_key
        self._rows: deque[Row] = deque(maxlen=HEARD_EVENTS)
        self._heard: dict[str, WireHeard] = {}
        self._paused = False
        self._waiting = False
        self._missed = 0
        self._count = 0

    def body(self) -> Iterable[Widget]:
        yield Static(id="state")
        yield FilterBox()
        yield Table(_COLUMNS, glyphs=self.ours.glyphs, id="wire")
        yield LinesView(id="data")

    @property
    def table(self) -> Table:
        return self.query_one("#wire", Table)

    @property
    def vm_key(self) -> str | None:
        return self._about

    def on_mount(self) -> None:
        for heard in self.ours.observed.wire:
            self._take(heard)
        vm = self.vm
        if vm is not None:
            self.query_one(FilterBox).value = vm.name
            self.query_one(FilterBox).display = True
        self._show()

    def heard(self, event: EngineEvent) -> None:
        if not isinstance(event, WireHeard):
            return
        if self._paused:
            self._missed += 1
            self._show_state()
            return
        self._take(event)
        if not self._waiting:
            self._waiting = True
            self.set_timer(SHOW_EVERY_S, self._show)

    def _take(self, heard: WireHeard) -> None:
        vm = self.ours.observed.vm(heard.vm)
        name = vm.name if vm else heard.vm
        self._count += 1
        key = str(self._count)
        if len(self._rows) == HEARD_EVENTS:
            self._heard.pop(self._rows[0].key, None)
        self._rows.append(Row(key, event_cells(heard, name, self.ours.clock())))
        self._heard[key] = heard

    def _show(self) -> None:
        self._waiting = False
        table = self.table
        follows = table.cursor >= len(table.shown_rows) - 1
        table.set_rows(tuple(self._rows))
        if follows:
            table.action_edge(1)
        self._show_state()

    def _show_state(self) -> None:
        state = self.query_one("#state", Static)
        text = f"{len(self._rows)} events"
        if self._paused:
            text += f" · paused, {self._missed} not shown: space goes on"
        elif not self._rows:
            text = "No event yet. They come in as machines start, stop, run jobs."
        state.update(Content(f" {text}"))

    @on(Table.RowHighlighted, "#wire")
    def _highlighted(self, event: Table.RowHighlighted) -> None:
        heard = self._heard.get(event.key)
        text = data_text(heard) if heard else ""
        self.query_one("#data", LinesView).show(lambda width: _data(text, width))

    @on(FilterBox.Changed)
    def _filtered(self, event: FilterBox.Changed) -> None:
        self.table.set_filter(event.value)

    @on(FilterBox.Left)
    def _filter_left(self) -> None:
        self.table.focus()

    def do_filter(self) -> None:
        self.query_one(FilterBox).open()

    def do_pause(self) -> None:
        self._paused = not self._paused
        if not self._paused and self._missed:
            newest = list(self.ours.observed.wire)
            for heard in newest[-self._missed :]:
                self._take(heard)
            self._missed = 0
        self._show()

    def do_clear(self) -> None:
        self._rows.clear()
        self._heard.clear()
        self._show()


def _data(text: str, width: int) -> tuple[Line, ...]:
    return tuple(line(part) for part in wrapped(text, width))

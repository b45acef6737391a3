"""One machine: chains, snapshots, checkpoints, points, jobs, and what can be done."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from vmsnap_tui.engine.events import EngineEvent, FleetChanged, JobsMoved, RunEnded
from vmsnap_tui.errors import NoConnection, NotFound, VmsnapError
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.view.limit_rows import limit_lines
from vmsnap_tui.tui.view.spans import BLANK, Line, Tone, line, span
from vmsnap_tui.tui.view.vm import below_lines, side_lines, top_lines
from vmsnap_tui.tui.widgets.chain_map import ChainMap
from vmsnap_tui.tui.widgets.job_panel import JobPanel
from vmsnap_tui.tui.widgets.lines import LinesView

_SIDE_CELLS = 48
"""What `vm.tcss` gives to the side."""


class VmScreen(BaseScreen[None]):
    """Below the chains come snapshots and checkpoints; on narrow screens then what else
    stands at the side."""

    NAME = "vm"
    CSS_PATH = "vm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(NAME)
    AUTO_FOCUS = "#chains"

    def __init__(self, vm_key: str) -> None:
        super().__init__()
        self._key = vm_key
        self._looked_at: object = None

    @property
    def vm_key(self) -> str | None:
        return self._key

    def body(self) -> Iterable[Widget]:
        yield Horizontal(ChainMap(id="chains"), LinesView(id="side"), id="panes")
        yield JobPanel(self.ours.glyphs, rows=6, id="job-panel")

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._look()

    def heard(self, event: EngineEvent) -> None:
        match event:
            case FleetChanged():
                self.reload()
                if _shape(self.vm) != self._looked_at:
                    self._look()
            case JobsMoved():
                self.reload()
            case RunEnded():
                self._look()
            case _:
                pass

    def do_refresh(self) -> None:
        self.ours.do_refresh()
        self._look()

    def _look(self) -> None:
        """A list of a thousand machines does not hold all of each: this one is opened.
        It is looked at again when it is another one, and when somebody comes back to
        it; never by the clock."""
        self._looked_at = _shape(self.vm)
        self.run_worker(self._looking(), group="look", exclusive=True)

    async def _looking(self) -> None:
        try:
            vm = await self.ours.engine.look(self._key)
        except (NoConnection, NotFound) as error:
            self.log(error)  # the screen says it: stale, or not there any more
        except VmsnapError as error:
            self.ours.say_error(error)
        else:
            self._looked_at = _shape(vm)

    def on_resize(self) -> None:
        self.call_after_refresh(self.reload)

    def reload(self) -> None:
        app, vm, chains = self.ours, self.vm, self.query_one("#chains", ChainMap)
        jobs = app.observed.jobs.get(self._key, ())
        self.query_one("#job-panel", JobPanel).set_jobs(jobs)
        connection = app.observed.connection_of(self._key)
        if vm is None or connection is None:
            gone = line(span("This machine is not there any more.", Tone.CAUTION))
            chains.show(lambda width: (gone,))
            self.query_one("#side", LinesView).show(lambda width: ())
            return
        now, glyphs, width = app.clock(), app.glyphs, self.size.width - 4
        stored = app.observed.last_point(self._key)
        if self._is_wide:
            width -= _SIDE_CELLS
        after = below_lines(vm, now, glyphs, width)
        if not self._is_wide:
            after += self._side(width)
        top = top_lines(vm, connection, app.observed, glyphs, width)
        chains.show_disks(vm.disks, stored, now, glyphs, top, after)
        self.query_one("#side", LinesView).show(self._side)

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= 110

    def _side(self, width: int) -> tuple[Line, ...]:
        app, vm = self.ours, self.vm
        if vm is None:
            return ()
        side = side_lines(vm, app.observed, app.clock(), app.glyphs, width)
        return (*side, BLANK, *limit_lines(vm, app.glyphs, width))


def _shape(vm: Vm | None) -> object:
    """What of a machine makes its last look an old one; its counters do not."""
    if vm is None:
        return None
    chains = tuple(tuple(image.path for image in disk.chain) for disk in vm.disks)
    return vm.state, chains, frozenset(job.id for job in vm.jobs)

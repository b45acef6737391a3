"""The first line: connections and how they are, jobs, alarms, the time."""

from collections.abc import Callable
from datetime import datetime

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.spans import Line
from vmsnap_tui.tui.view.status import status_line
from vmsnap_tui.tui.widgets.toned import strip_of, width_of


class StatusBar(Widget):
    """Draws one line from what is observed; `tick` moves only the clock."""

    DEFAULT_CSS = "StatusBar { height: 1; dock: top; background: $panel; }"

    def __init__(
        self,
        title: str,
        observed: Observed,
        clock: Callable[[], datetime],
        glyphs: Glyphs,
    ) -> None:
        super().__init__()
        self._title = title
        self._observed = observed
        self._clock = clock
        self._glyphs = glyphs
        self._drawn: tuple[Line, Line] = ((), ())

    def tick(self) -> None:
        """Draw what has changed since: mostly the clock's cells alone."""
        left, right = self._lines()
        before, self._drawn = self._drawn, (left, right)
        if (left, right) == before:
            return
        if (left, right[:-1]) == (before[0], before[1][:-1]):
            cells = width_of(right[-1:])
            self.refresh(Region(self.size.width - cells, 0, cells, 1))
        else:
            self.refresh()

    def _lines(self) -> tuple[Line, Line]:
        return status_line(
            self._title, self._observed, self._clock(), self._glyphs, self.size.width
        )

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        left, right = self._lines()
        room = width - width_of(right)
        style = self.rich_style
        return Strip.join(
            [
                strip_of(self, left, max(room, 0), style),
                strip_of(self, right, min(width, width_of(right)), style),
            ]
        )

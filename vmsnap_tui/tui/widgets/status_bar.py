"""The first line: connections and how they are, jobs, alarms, the time."""

from collections.abc import Callable
from datetime import datetime

from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.spans import Line
from vmsnap_tui.tui.view.status import status_line
from vmsnap_tui.tui.widgets.toned import strip_of, width_of


class StatusBar(Widget):
    """Draws one line from what is observed; `tick` draws only what moved."""

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
        """Draw again if anything looks different now."""
        if self._lines() != self._drawn:
            self.refresh()

    def _lines(self) -> tuple[Line, Line]:
        return status_line(
            self._title, self._observed, self._clock(), self._glyphs, self.size.width
        )

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        self._drawn = left, right = self._lines()
        room = width - width_of(right)
        style = self.rich_style
        return Strip.join(
            [
                strip_of(self, left, max(room, 0), style),
                strip_of(self, right, min(width, width_of(right)), style),
            ]
        )

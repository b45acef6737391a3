"""Running jobs, one line each: one widget that draws only the lines that changed."""

from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.engine.events import JobView
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.jobs import job_line
from vmsnap_tui.tui.view.spans import Line, Tone, line, span
from vmsnap_tui.tui.widgets.toned import strip_of


class JobPanel(Widget):
    """As high as there are jobs, at most `rows`; gone when there is none."""

    DEFAULT_CSS = "JobPanel { height: auto; display: none; }"

    def __init__(
        self,
        glyphs: Glyphs,
        *,
        rows: int = 20,
        id: str | None = None,  # noqa: A002 - Textual's name for it
    ) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._most = rows
        self._jobs: tuple[JobView, ...] = ()
        self._drawn: dict[int, Line] = {}

    @property
    def rows_shown(self) -> int:
        return min(len(self._jobs), self._most)

    def set_jobs(self, jobs: tuple[JobView, ...]) -> None:
        """Show these; only lines that look different now are drawn again."""
        before = self.rows_shown
        self._jobs = jobs
        if before != self.rows_shown:
            self.display = bool(jobs)
            self.refresh(layout=True)
            return
        for y in range(self.rows_shown):
            if self._line(y) != self._drawn.get(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.rows_shown

    def render_line(self, y: int) -> Strip:
        drawn = self._line(y)
        self._drawn[y] = drawn
        return strip_of(self, drawn, self.size.width, self.rich_style)

    def _line(self, y: int) -> Line:
        if y >= self.rows_shown:
            return ()
        hidden = len(self._jobs) - self._most
        if hidden > 0 and y == self._most - 1:
            return line(span(f"and {hidden + 1} more: j shows all", Tone.MUTED))
        return job_line(self._jobs[y], self._glyphs, self.size.width)

"""Running jobs in one widget that draws only the lines that changed.

Twenty progress bars of Textual's take a fifth of a core; this takes a hundredth.
"""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.engine.events import JobView
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.jobs import job_line, job_lines
from vmsnap_tui.tui.view.spans import Line, Tone, line, span
from vmsnap_tui.tui.widgets.toned import cursor_style, strip_of


class JobPanel(Widget):
    """One line a job, as high as there are jobs, at most `rows`; gone without any."""

    DEFAULT_CSS = "JobPanel { height: auto; display: none; }"

    def __init__(
        self,
        glyphs: Glyphs,
        *,
        rows: int = 20,
        id: str | None = None,  # noqa: A002 - Textual's name for it
    ) -> None:
        super().__init__(id=id)
        self.jobs: tuple[JobView, ...] = ()
        self._glyphs = glyphs
        self._most = rows
        self._drawn: dict[int, Line] = {}

    def set_jobs(self, jobs: tuple[JobView, ...]) -> None:
        """Show these; only lines that look different now are drawn again."""
        before = self._height()
        self.jobs = jobs
        if before != self._height():
            self.display = bool(jobs)
            self.refresh(layout=True)
        else:
            self._draw_changed()

    def _height(self) -> int:
        return min(len(self.jobs), self._most)

    def _draw_changed(self) -> None:
        for y in range(self.size.height):
            if self._line(y) != self._drawn.get(y, ()):
                self.refresh(Region(0, y, self.size.width, 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height()

    def render_line(self, y: int) -> Strip:
        drawn = self._line(y)
        self._drawn[y] = drawn
        return strip_of(self, drawn, self.size.width, self.rich_style)

    def _line(self, y: int) -> Line:
        if y >= self._height():
            return ()
        hidden = len(self.jobs) - self._most
        if hidden > 0 and y == self._most - 1:
            return line(span(f"and {hidden + 1} more: j shows all", Tone.MUTED))
        return job_line(self.jobs[y], self._glyphs, self.size.width)


class JobList(JobPanel, can_focus=True):
    """Two lines a job and a cursor: the job that keys are about."""

    DEFAULT_CSS = "JobList { height: 1fr; display: block; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another job."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self._cursor = 0
        self._first = 0

    @property
    def selected(self) -> JobView | None:
        """The job under the cursor."""
        return self.jobs[self._cursor] if self._cursor < len(self.jobs) else None

    def set_jobs(self, jobs: tuple[JobView, ...]) -> None:
        """The cursor stays with its job."""
        kept = self.selected
        self.jobs = jobs
        names = [(view.vm, view.job.id) for view in jobs]
        if kept is not None and (kept.vm, kept.job.id) in names:
            self._cursor = names.index((kept.vm, kept.job.id))
        self._cursor = max(0, min(self._cursor, len(jobs) - 1))
        self._draw_changed()

    def action_move(self, by: int) -> None:
        self._cursor = max(0, min(self._cursor + by, len(self.jobs) - 1))
        fitting = max(self.size.height // 2, 1)
        self._first = max(min(self._first, self._cursor), self._cursor - fitting + 1)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        number = event.y // 2 + self._first
        if number < len(self.jobs):
            self.action_move(number - self._cursor)

    def render_line(self, y: int) -> Strip:
        drawn = self._line(y)
        self._drawn[y] = drawn
        style = self.rich_style
        if drawn and y // 2 + self._first == self._cursor:
            style += cursor_style(self, focused=False)
        return strip_of(self, drawn, self.size.width, style)

    def _line(self, y: int) -> Line:
        number = y // 2 + self._first
        if number >= len(self.jobs):
            return ()
        sign = self._glyphs.active if number == self._cursor else " "
        lines = job_lines(self.jobs[number], self._glyphs, self.size.width - 2)
        return (span(f"{sign if y % 2 == 0 else ' '} ", Tone.ACCENT), *lines[y % 2])

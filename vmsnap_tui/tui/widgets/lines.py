"""A scrolling pane of prepared lines: details, chains, plans, help.

Only the lines in sight are drawn, and the builder is called with the width, so that
a line is laid out for the room there is.
"""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from vmsnap_tui.tui.view.spans import Line
from vmsnap_tui.tui.widgets.toned import strip_of

Builder = Callable[[int], tuple[Line, ...]]


def _nothing(width: int) -> tuple[Line, ...]:
    return ()


class LinesView(ScrollView, can_focus=True):
    """`show(builder)` builds the lines for the width now and after each resize."""

    DEFAULT_CSS = """
    LinesView { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
    ]

    def __init__(
        self,
        build: Builder = _nothing,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._build = build
        self._lines: tuple[Line, ...] = ()
        self._built_width = -1

    @property
    def lines_shown(self) -> tuple[Line, ...]:
        return self._lines

    def show(self, build: Builder) -> None:
        """Take a new builder; what does not change is not drawn again."""
        self._build = build
        if self.is_mounted and self.size.width:
            self._rebuild()
        else:
            self._built_width = -1

    def on_resize(self, event: events.Resize) -> None:
        if self._width != self._built_width:
            self._rebuild()

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _rebuild(self) -> None:
        self._built_width = self._width
        lines = self._build(self._built_width)
        if lines == self._lines:
            return
        same_length = len(lines) == len(self._lines)
        changed = [
            y
            for y, pair in enumerate(zip(lines, self._lines, strict=False))
            if pair[0] != pair[1]
        ]
        self._lines = lines
        if same_length:
            for y in changed:
                self.refresh_line(y)
        else:
            self.virtual_size = Size(self._built_width, len(lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        width = self._width
        if number >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return strip_of(self, self._lines[number], width, self.rich_style)

    def notify_style_update(self) -> None:
        """The theme changed: every line is drawn anew."""
        super().notify_style_update()
        self.refresh()

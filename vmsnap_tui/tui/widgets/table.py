"""The one table: only the rows in sight are drawn, however many there are.

A row is known by its key over every update, so the cursor, the marks and what the
operator is looking at stay where they were when the list changes under them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from vmsnap_tui.tui.glyphs import UNICODE, Glyphs
from vmsnap_tui.tui.view.spans import Line, Span, Tone
from vmsnap_tui.tui.widgets.toned import cursor_style, fitted, strip_of

_GAP = 1


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is the least; room that is left goes to the columns with `flex`.

    Below `hide_below` cells of table width the column is not shown.
    """

    key: str
    title: str
    width: int
    flex: int = 0
    right: bool = False
    hide_below: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """`sort` holds a value a column for ordering; a heading stands over its `group`.

    Headings are left out while the rows are ordered by a column.
    """

    key: str
    cells: tuple[Line, ...]
    sort: tuple[Any, ...] = ()
    heading: bool = False
    group: str = ""
    _haystack: list[str] = field(default_factory=list, compare=False, repr=False)

    def holds(self, words: Sequence[str]) -> bool:
        """Whether every word is somewhere in the row, whatever its case."""
        if not self._haystack:
            texts = ["".join([part[0] for part in cell]) for cell in self.cells]
            self._haystack.append(" ".join(texts).casefold())
        haystack = self._haystack[0]
        return all([word in haystack for word in words])


class Table(ScrollView, can_focus=True):
    """Columns and rows with a cursor in reverse video, optional marks, sort, filter."""

    DEFAULT_CSS = """
    Table { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "select", show=False),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    class _About(Message):
        def __init__(self, table: "Table", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> "Table":
            return self.table

    class RowHighlighted(_About):
        """The cursor stands on another row (or on another after an update)."""

    class RowSelected(_About):
        """Enter, or a click on the row under the cursor."""

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        glyphs: Glyphs = UNICODE,
        marks: bool = False,
        header: bool = True,
        id: str | None = None,  # noqa: A002 - Textual's name for it
    ) -> None:
        super().__init__(id=id)
        self.columns = columns
        self.marked: frozenset[str] = frozenset()
        self.sort_key = ""
        self.sort_reversed = False
        self.touched = False
        """Whether the operator has moved the cursor."""
        self._glyphs = glyphs
        self._marks = marks
        self._header = 1 if header else 0
        self._rows: tuple[Row, ...] = ()
        self._shown: tuple[Row, ...] = ()
        self._words: tuple[str, ...] = ()
        self._told = ""

    @property
    def shown_rows(self) -> tuple[Row, ...]:
        """What passes the filter, in the order on screen."""
        return self._shown

    @property
    def cursor_key(self) -> str | None:
        """The row under the cursor, or None in an empty table."""
        return self._shown[self.cursor].key if self.cursor < len(self._shown) else None

    @property
    def filter_text(self) -> str:
        return " ".join(self._words)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Replace the rows; cursor and marks stay with their keys."""
        self._rows = tuple(rows)
        keys = {row.key for row in rows}
        self.marked &= keys
        self._arrange()

    def set_filter(self, text: str) -> None:
        """Show only rows that hold every word; the cursor is on one that does."""
        self._words = tuple(text.casefold().split())
        self._arrange()
        if self._words and self._shown and self._shown[self.cursor].heading:
            self.rest()

    def sort_by(self, key: str, *, reverse: bool = False) -> None:
        """Order by a column; an empty key gives the order of `set_rows` again."""
        self.sort_key = key
        self.sort_reversed = reverse
        self._arrange()
        self.refresh()

    def rest(self) -> None:
        """Put the cursor where it is before anybody moved it: on the first row that is
        no heading, so that a key finds what it acts on."""
        self.cursor = self._first()

    def _first(self) -> int:
        return next((n for n, row in enumerate(self._shown) if not row.heading), 0)

    def move_to(self, key: str) -> None:
        """Put the cursor on a row, if it is shown."""
        self.touched = True
        for number, row in enumerate(self._shown):
            if row.key == key:
                self.cursor = number
                return

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go to the next."""
        if self._marks and self.cursor_key is not None:
            self.marked ^= {self.cursor_key}
            self._refresh_row(self.cursor)
            self.action_move(1)

    def _arrange(self) -> None:
        before, key = self._shown, self.cursor_key
        self._shown = tuple(self._ordered(self._passing()))
        places = {row.key: number for number, row in enumerate(self._shown)}
        place = places.get(key or "", min(self.cursor, max(len(self._shown) - 1, 0)))
        if not self.touched and self._shown and self._shown[place].heading:
            place = self._first()
        self._draw_changed(before)
        if place != self.cursor:
            self.cursor = place
        self._tell()

    def _passing(self) -> list[Row]:
        if not self._words:
            return list(self._rows)
        hits = [row for row in self._rows if row.holds(self._words)]
        kept = {id(row) for row in hits}
        groups = {row.group for row in hits}
        return [
            row
            for row in self._rows
            if id(row) in kept or (row.heading and row.group in groups)
        ]

    def _ordered(self, rows: list[Row]) -> list[Row]:
        number = next(
            (n for n, c in enumerate(self.columns) if c.key == self.sort_key), None
        )
        if number is None:
            return rows
        flat = [row for row in rows if not row.heading and len(row.sort) > number]
        return sorted(flat, key=lambda r: r.sort[number], reverse=self.sort_reversed)

    def _draw_changed(self, before: tuple[Row, ...]) -> None:
        if len(before) != len(self._shown):
            self.virtual_size = Size(0, len(self._shown) + self._header)
            self.refresh()
            return
        pairs = zip(before, self._shown, strict=True)
        for number, (old, new) in enumerate(pairs):
            if old is not new and old != new:
                self._refresh_row(number)

    def _tell(self) -> None:
        key = self.cursor_key or ""
        if key != self._told:
            self._told = key
            self.post_message(self.RowHighlighted(self, key))

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._shown) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        self._refresh_row(before)
        self._refresh_row(now)
        self._bring_into_sight(now)
        self._tell()

    def _bring_into_sight(self, number: int) -> None:
        """Scroll by as little as shows the row; the header covers the first line."""
        if not self.size.height:
            return
        top, height = self.scroll_offset.y, self.size.height - self._header
        if number < top:
            self.scroll_to(y=number, animate=False, immediate=True)
        elif number >= top + height:
            self.scroll_to(y=number - height + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        self._bring_into_sight(self.cursor)

    def _refresh_row(self, number: int) -> None:
        y = number - self.scroll_offset.y + self._header
        if self._header <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def on_focus(self) -> None:
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        self._refresh_row(self.cursor)

    def action_move(self, rows: int) -> None:
        self.touched = True
        self.cursor += rows

    def action_page(self, pages: int) -> None:
        self.touched = True
        self.cursor += pages * max(self.size.height - self._header - 1, 1)

    def action_edge(self, side: int) -> None:
        self.touched = True
        self.cursor = 0 if side < 0 else len(self._shown) - 1

    def action_select(self) -> None:
        if self.cursor_key is not None:
            self.post_message(self.RowSelected(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        number = event.y + self.scroll_offset.y - self._header
        if event.y < self._header or not 0 <= number < len(self._shown):
            return
        if number == self.cursor:
            self.action_select()
        else:
            self.touched = True
            self.cursor = number

    def widths(self) -> tuple[int, ...]:
        """Cells a column in the width there is; 0 for one that is not shown."""
        room = self.scrollable_content_region.width
        shown = [column.hide_below <= room for column in self.columns]
        widths = [c.width if s else 0 for c, s in zip(self.columns, shown, strict=True)]
        gaps = _GAP * max(sum(shown) - 1, 0) + (2 if self._marks else 0)
        spare = room - sum(widths) - gaps
        flexes = [c.flex if s else 0 for c, s in zip(self.columns, shown, strict=True)]
        total = sum(flexes)
        if spare < 0:
            return self._squeezed(widths, flexes, -spare)
        if not total:
            return tuple(widths)
        shares = [spare * flex // total for flex in flexes]
        shares[flexes.index(max(flexes))] += spare - sum(shares)
        return tuple(w + s for w, s in zip(widths, shares, strict=True))

    @staticmethod
    def _squeezed(widths: list[int], flexes: list[int], lack: int) -> tuple[int, ...]:
        """Take what is lacking from the columns that flex, widest share first."""
        for number in sorted(range(len(widths)), key=lambda n: -flexes[n]):
            taken = min(lack, max(widths[number] - 3, 0)) if flexes[number] else 0
            widths[number] -= taken
            lack -= taken
        return tuple(widths)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < self._header:
            style = self.rich_style + Style(bold=True)
            return strip_of(self, self._header_line(), width, style)
        number = y - self._header + self.scroll_offset.y
        if number >= len(self._shown):
            return Strip.blank(width, self.rich_style)
        row, parts = self._shown[number], self._row_line(self._shown[number])
        if number != self.cursor:
            return strip_of(self, parts, width, self.rich_style)
        style = self.rich_style + cursor_style(self, focused=self.has_focus)
        return strip_of(
            self, parts, width, style, keep_tones=not self.has_focus and not row.heading
        )

    def _header_line(self) -> Line:
        arrow = (
            self._glyphs.descending if self.sort_reversed else self._glyphs.ascending
        )
        cells = tuple(
            (
                Span(
                    c.title + (f" {arrow}" if c.key == self.sort_key else ""),
                    Tone.MUTED,
                ),
            )
            for c in self.columns
        )
        return self._laid_out(cells, "  " if self._marks else "")

    def _row_line(self, row: Row) -> Line:
        mark = ""
        if self._marks:
            marked = row.key in self.marked
            mark = (self._glyphs.marked if marked else self._glyphs.unmarked) + " "
        if row.heading:
            return (Span(mark), *row.cells[0])
        return self._laid_out(row.cells, mark)

    def _laid_out(self, cells: tuple[Line, ...], mark: str) -> Line:
        parts: list[Span] = [Span(mark)] if mark else []
        cut = self._glyphs.ellipsis
        for column, cell, width in zip(self.columns, cells, self.widths(), strict=True):
            if width:
                if len(parts) > (1 if mark else 0):
                    parts.append(Span(" " * _GAP))
                parts.extend(fitted(cell, width, right=column.right, cut=cut))
        return tuple(parts)

    def notify_style_update(self) -> None:
        """The theme changed: every row is drawn anew."""
        super().notify_style_update()
        self.refresh()

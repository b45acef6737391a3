"""The virtual table: rows stay who they are, whatever happens around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from vmsnap_tui.tui.theme import load_themes
from vmsnap_tui.tui.view.spans import line
from vmsnap_tui.tui.widgets.table import Column, Row, Table

_COLUMNS = (
    Column("name", "Name", 8, flex=1),
    Column("size", "Size", 6, right=True),
    Column("note", "Note", 10, hide_below=60),
)


def row(name: str, size: int = 0, note: str = "") -> Row:
    cells = (line(name), line(str(size)), line(note))
    return Row(name, cells, (name, size, note))


class TableApp(App[None]):
    def __init__(self, *, marks: bool = False) -> None:
        super().__init__()
        self.table = Table(_COLUMNS, marks=marks)
        self.told: list[tuple[str, str]] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return load_themes().variable_defaults

    def compose(self) -> ComposeResult:
        yield self.table

    def on_table_row_highlighted(self, event: Table.RowHighlighted) -> None:
        self.told.append(("highlighted", event.key))

    def on_table_row_selected(self, event: Table.RowSelected) -> None:
        assert event.control is self.table
        self.told.append(("selected", event.key))


@asynccontextmanager
async def showing(
    *rows: Row, marks: bool = False, size: tuple[int, int] = (40, 10)
) -> AsyncIterator[tuple[Table, Pilot[None], TableApp]]:
    app = TableApp(marks=marks)
    async with app.run_test(size=size) as pilot:
        app.table.set_rows(rows)
        app.table.focus()
        await pilot.pause()
        yield app.table, pilot, app


def drawn(table: Table) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


async def test_keys_move_the_cursor_and_enter_selects() -> None:
    async with showing(row("a"), row("b"), row("c")) as (table, pilot, app):
        await pilot.press("down", "down", "up", "enter")
        assert table.cursor_key == "b"
        assert app.told[-1] == ("selected", "b")


async def test_the_cursor_never_leaves_the_rows() -> None:
    async with showing(row("a"), row("b")) as (table, pilot, _):
        await pilot.press("up", "pageup")
        assert table.cursor_key == "a"
        await pilot.press("end", "down", "pagedown")
        assert table.cursor_key == "b"


async def test_the_cursor_stays_with_its_row_when_others_come_and_go() -> None:
    async with showing(row("b"), row("d")) as (table, pilot, app):
        await pilot.press("down")
        table.set_rows([row("a"), row("b"), row("c"), row("d")])
        assert table.cursor_key == "d"
        table.set_rows([row("a"), row("b")])
        assert table.cursor_key == "b"
        await pilot.pause()
        assert app.told[-1] == ("highlighted", "b")


async def test_an_empty_table_has_no_row() -> None:
    async with showing() as (table, pilot, app):
        await pilot.press("down", "enter")
        assert table.cursor_key is None
        assert app.told == []


async def test_only_rows_with_every_word_pass_the_filter() -> None:
    rows = [row("web-01", 1, "lab"), row("web-02", 2, "prod"), row("db", 3, "lab")]
    async with showing(*rows) as (table, _, _app):
        table.set_filter("WEB lab")
        assert [each.key for each in table.shown_rows] == ["web-01"]
        assert table.filter_text == "web lab"
        table.set_filter("")
        assert len(table.shown_rows) == 3


async def test_a_heading_stays_while_one_below_it_passes() -> None:
    head = Row("h", (line("lab"),), heading=True, group="lab")
    inside = Row("a", row("web").cells, ("web", 0, ""), group="lab")
    async with showing(head, inside) as (table, _, _app):
        table.set_filter("web")
        assert [each.key for each in table.shown_rows] == ["h", "a"]
        table.set_filter("nothing")
        assert not table.shown_rows
        table.set_filter("")
        table.sort_by("name")
        assert [each.key for each in table.shown_rows] == ["a"]


async def test_rows_are_ordered_by_values_not_by_text() -> None:
    async with showing(row("a", 10), row("b", 9), row("c", 100)) as (table, _, _app):
        table.sort_by("size", reverse=True)
        assert [each.key for each in table.shown_rows] == ["c", "a", "b"]
        assert "↓" in drawn(table)[0]
        table.sort_by("")
        assert [each.key for each in table.shown_rows] == ["a", "b", "c"]


async def test_marks_stay_with_their_rows() -> None:
    async with showing(row("a"), row("b"), marks=True) as (table, _, _app):
        table.toggle_mark()
        assert table.marked == {"a"}
        assert table.cursor_key == "b"
        table.set_rows([row("b"), row("a")])
        assert table.marked == {"a"}
        assert drawn(table)[2].startswith("✓ a")
        table.set_rows([row("b")])
        assert table.marked == frozenset()


async def test_columns_flex_and_hide_with_the_width() -> None:
    async with showing(row("a", 1, "note")) as (table, pilot, _):
        assert table.widths()[2] == 0
        assert sum(table.widths()) + 1 == 40
        await pilot.resize_terminal(80, 10)
        assert table.widths()[2] == 10
        assert sum(table.widths()) + 2 == 80
        await pilot.resize_terminal(12, 10)
        assert sum(table.widths()) + 1 == 12


async def test_a_click_moves_and_a_second_one_selects() -> None:
    async with showing(row("a"), row("b"), row("c")) as (table, pilot, app):
        await pilot.click(table, offset=(2, 3))
        assert table.cursor_key == "c"
        await pilot.click(table, offset=(2, 3))
        assert app.told[-1] == ("selected", "c")
        await pilot.click(table, offset=(2, 0))
        await pilot.click(table, offset=(2, 8))
        assert table.cursor_key == "c"


async def test_the_row_under_the_cursor_is_always_in_sight() -> None:
    rows = [row(f"n{number:03d}") for number in range(500)]
    async with showing(*rows) as (table, pilot, _):
        await pilot.press("end")
        await pilot.pause()
        assert any(text.startswith("n499") for text in drawn(table))
        await pilot.press("home")
        await pilot.pause()
        assert drawn(table)[1].startswith("n000")
        table.move_to("n250")
        await pilot.pause()
        assert any(text.startswith("n250") for text in drawn(table))
        table.move_to("gone")
        assert table.cursor_key == "n250"


async def test_only_the_rows_that_changed_are_drawn_again() -> None:
    rows = [row(f"n{number}") for number in range(6)]
    async with showing(*rows) as (table, pilot, _):
        await pilot.pause()
        drawn_again: list[int] = []
        original = table.render_line

        def counting(y: int):  # type: ignore[no-untyped-def]
            drawn_again.append(y)
            return original(y)

        table.render_line = counting  # type: ignore[method-assign]
        table.set_rows([*rows[:3], row("n3", 7), *rows[4:]])
        await pilot.pause()
        assert set(drawn_again) <= {4}


async def test_names_are_shown_as_they_are() -> None:
    async with showing(row("[/x]", 0), row("a\x1b[31m")) as (table, _, _app):
        assert drawn(table)[1].startswith("[/x]")
        assert "\x1b" not in "".join(drawn(table))


async def test_the_cursor_rests_on_what_a_key_can_act_on() -> None:
    heading = Row("host", (line("host"),), heading=True, group="host")
    first, second = (
        Row(name, (line(name), line(), line()), (name, 0, ""), group="host")
        for name in ("a", "b")
    )
    async with showing(heading) as (table, pilot, _):
        assert table.cursor_key == "host"
        table.set_rows([heading, second])
        assert table.cursor_key == "b"
        table.set_rows([heading, first, second])
        assert table.cursor_key == "b"
        table.rest()
        assert table.cursor_key == "a"
        await pilot.press("up")
        table.set_rows([heading, first])
        assert table.cursor_key == "host", "where the operator has put it"
        table.set_filter("a")
        assert table.cursor_key == "a"

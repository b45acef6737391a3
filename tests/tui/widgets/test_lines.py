"""A pane of prepared lines."""

from textual.app import App, ComposeResult

from vmsnap_tui.tui.theme import load_themes
from vmsnap_tui.tui.view.spans import Line, line, plain
from vmsnap_tui.tui.widgets.lines import LinesView


class LinesApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.pane = LinesView()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return load_themes().variable_defaults

    def compose(self) -> ComposeResult:
        yield self.pane


def numbered(width: int) -> tuple[Line, ...]:
    return tuple(line(f"line {number} of {width}") for number in range(100))


async def test_lines_are_built_for_the_width_there_is() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.pane.show(numbered)
        await pilot.pause()
        assert len(app.pane.lines_shown) == 100
        await pilot.resize_terminal(60, 10)
        await pilot.pause()
        assert plain(app.pane.lines_shown[0]) in ("line 0 of 59", "line 0 of 60")


async def test_it_scrolls_with_the_keys() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.pane.show(numbered)
        app.pane.focus()
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()
        shown = [app.pane.render_line(y).text for y in range(10)]
        assert any(text.startswith("line 99") for text in shown)


async def test_below_the_last_line_there_is_nothing() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.pane.show(lambda width: (line("one"),))
        await pilot.pause()
        assert app.pane.render_line(0).text.startswith("one")
        assert app.pane.render_line(5).text.strip() == ""
        app.pane.show(lambda width: (line("two"),))
        await pilot.pause()
        assert app.pane.render_line(0).text.startswith("two")

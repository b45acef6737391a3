"""Fields say what they are without colour."""

from textual.app import App, ComposeResult

from vmsnap_tui.tui.theme import load_themes
from vmsnap_tui.tui.view.paragraphs import said
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.widgets.fields import Choice, TickBox


class Fields(App[None]):
    def __init__(self) -> None:
        self.themes = load_themes()
        super().__init__()
        self.changes: list[str] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return self.themes.variable_defaults

    def compose(self) -> ComposeResult:
        yield TickBox(said("vda"), note=said("why"), name="vda")
        yield TickBox(said("cd0"), fixed="it is empty", name="cd0")
        yield Choice(("auto", "full"), "auto")

    def on_tick_box_changed(self, message: TickBox.Changed) -> None:
        self.changes.append(f"{message.box.name} {message.box.value}")

    def on_choice_changed(self, message: Choice.Changed) -> None:
        self.changes.append(message.choice.value)


def first_line(field: TickBox | Choice) -> str:
    return plain(field.lines()[0])


async def test_a_box_is_ticked_by_space_and_by_a_click() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        box = app.query(TickBox).first()
        assert first_line(box) == " [x] vda"
        await pilot.press("space")
        assert first_line(box) == " [ ] vda"
        await pilot.click(box)
        assert first_line(box) == " [x] vda"
        assert app.changes == ["vda False", "vda True"]


async def test_a_fixed_box_takes_neither_focus_nor_change() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        box = app.query(TickBox).last()
        await pilot.click(box)
        assert first_line(box) == " [-] cd0"
        assert not box.can_focus
        assert app.changes == []
        box.fix("")
        await pilot.click(box)
        assert app.changes == ["cd0 True"]


async def test_a_note_takes_a_second_line() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        box = app.query(TickBox).first()
        assert box.size.height == 2
        box.describe(said("vda"))
        await pilot.pause()
        assert box.size.height == 1


async def test_a_choice_moves_with_arrows_and_wraps() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        choice = app.query_one(Choice)
        choice.focus()
        await pilot.press("right")
        assert first_line(choice) == " ( ) auto   (*) full  "
        await pilot.press("right", "left")
        assert app.changes == ["full", "auto", "full"]


async def test_a_click_chooses_the_word_under_it() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        await pilot.click(Choice, offset=(14, 0))
        assert app.query_one(Choice).value == "full"


async def test_a_barred_word_keeps_its_place_and_is_passed_over() -> None:
    choice = Choice(("auto", "full", "incremental"), "incremental")
    choice.bar(frozenset({"incremental"}))
    assert choice.value == "auto"
    assert first_line(choice) == " (*) auto   ( ) full   (-) incremental  "


async def test_arrows_and_clicks_do_not_choose_a_barred_word() -> None:
    app = Fields()
    async with app.run_test(size=(40, 8)) as pilot:
        choice = app.query_one(Choice)
        choice.bar(frozenset({"full"}))
        choice.focus()
        await pilot.press("right")
        assert choice.value == "auto"
        await pilot.click(choice, offset=(12, 0))
        assert choice.value == "auto"
        choice.bar(frozenset())
        await pilot.press("right")
        assert choice.value == "full"

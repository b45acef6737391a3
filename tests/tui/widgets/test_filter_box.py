"""The line in which a filter is typed."""

from tests.tui.conftest import Stage, app_of
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.widgets.filter_box import FilterBox
from vmsnap_tui.tui.widgets.table import Table


async def test_enter_keeps_the_filter_and_gives_the_list_the_keys(
    stage: Stage,
) -> None:
    async with stage(FLEET, "slash", "w", "e", "b", "enter") as pilot:
        screen = app_of(pilot).screen
        table = screen.query_one("#fleet", Table)
        assert screen.query_one(FilterBox).display
        assert screen.focused is table
        assert [row.key for row in table.shown_rows] == [FLEET.points[0][0].key]


async def test_esc_drops_the_filter(stage: Stage) -> None:
    async with stage(FLEET, "slash", "w", "e", "b", "escape") as pilot:
        screen = app_of(pilot).screen
        assert not screen.query_one(FilterBox).display
        assert len(screen.query_one("#fleet", Table).shown_rows) == 6


async def test_keys_that_are_typed_run_no_action(stage: Stage) -> None:
    async with stage(FLEET, "slash", "q", "e") as pilot:
        assert app_of(pilot).screen.query_one(FilterBox).value == "qe"


async def test_down_leaves_the_box(stage: Stage) -> None:
    async with stage(FLEET, "slash", "w", "down") as pilot:
        assert isinstance(app_of(pilot).screen.focused, Table)


async def test_an_empty_one_closes(stage: Stage) -> None:
    async with stage(FLEET, "slash", "enter") as pilot:
        assert not app_of(pilot).screen.query_one(FilterBox).display

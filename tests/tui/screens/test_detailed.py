"""A list and its details share the screen, and give it to each other."""

import pytest

from tests.tui.operation_stage import on_stage, top
from vmsnap_tui.tui.fixed_operations import KEY, listing, web
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.screens.ledger import LedgerScreen
from vmsnap_tui.tui.screens.points import PointsScreen
from vmsnap_tui.tui.still_operations import StillEngine


@pytest.mark.parametrize("kind", [LedgerScreen, PointsScreen])
async def test_enter_gives_the_details_the_screen_and_escape_the_list_again(
    kind: type[LedgerScreen] | type[PointsScreen],
) -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, lambda: kind(KEY)) as pilot:
        screen = top(pilot, kind)
        assert isinstance(screen, LedgerScreen | PointsScreen)
        await until(pilot, lambda: screen.chosen is not None)
        await pilot.press("enter")
        assert screen.focused is screen.query_one("#detail")
        assert screen.has_class("-detail")
        await pilot.press("escape")
        assert screen.focused is screen.query_one(screen.LIST)
        assert top(pilot, kind) is screen

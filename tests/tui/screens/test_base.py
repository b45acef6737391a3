"""What every screen is."""

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.tui.scenes import EMPTY, FLEET
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.widgets.action_bar import ActionBar
from vmsnap_tui.tui.widgets.status_bar import StatusBar


async def test_every_screen_has_both_lines(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        screen = app_of(pilot).screen
        assert screen.query_one(StatusBar).region.y == 0
        assert screen.query_one(ActionBar).region.y == 23


async def test_coming_back_shows_what_happened_meanwhile(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        app = app_of(pilot)
        app.observed.fleet = app.observed.fleet[:1]
        await pilot.press("escape")
        await pilot.pause()
        assert "db-01" not in screen_text(pilot)


async def test_a_screen_knows_its_machine(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        screen = app_of(pilot).screen
        assert isinstance(screen, BaseScreen)
        assert screen.ours is app_of(pilot)
        assert screen.vm_key is None
        assert screen.vm is None
        screen.tick()

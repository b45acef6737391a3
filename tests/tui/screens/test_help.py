"""The help screen."""

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.screens.help import HelpScreen
from vmsnap_tui.tui.screens.home import HomeScreen


async def test_it_is_about_the_screen_before(stage: Stage) -> None:
    async with stage(FLEET, "j", "question_mark", size=(120, 50)) as pilot:
        text = screen_text(pilot)
        assert isinstance(app_of(pilot).screen, HelpScreen)
    assert "Raise the highlighted job's speed limit." in text
    assert "Open the highlighted machine" not in text


async def test_esc_goes_back(stage: Stage) -> None:
    async with stage(FLEET, "question_mark", "question_mark", "escape") as pilot:
        assert isinstance(app_of(pilot).screen, HomeScreen)

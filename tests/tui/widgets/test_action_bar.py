"""The last line: what can be done here."""

from tests.tui.conftest import Stage, app_of
from vmsnap_tui.tui.scenes import EMPTY, FLEET
from vmsnap_tui.tui.screens.help import HelpScreen
from vmsnap_tui.tui.view.spans import Tone
from vmsnap_tui.tui.widgets.action_bar import ActionBar


async def test_help_and_quit_are_there_at_any_width(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        bar = app_of(pilot).screen.query_one(ActionBar)
        for width in (20, 40, 80, 120):
            names = [action.name for action in bar.fitting(width)]
            assert names[-2:] == ["help", "quit"]
        assert len(bar.fitting(200)) == len(bar.actions)


async def test_what_cannot_be_done_now_is_dimmed(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        bar = app_of(pilot).screen.query_one(ActionBar)
        tones = {part.text.strip(): part.tone for part in bar._line()}
    assert tones["Backup"] is Tone.UNAVAILABLE
    assert tones["Help"] is Tone.MUTED


async def test_a_click_does_what_its_key_does(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        bar = app_of(pilot).screen.query_one(ActionBar)
        x = bar.render_line(0).text.index("? Help") + 1
        await pilot.click(bar, offset=(x, 0))
        await pilot.pause()
        assert isinstance(app_of(pilot).screen, HelpScreen)

"""Every image of every chain."""

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.widgets.chain_map import ChainMap


async def test_chains_and_bitmaps_of_all_disks_are_drawn(stage: Stage) -> None:
    keys = ("down", "down", "down", "down", "enter")
    async with stage(FLEET, *keys, size=(120, 36)) as pilot:
        shown = app_of(pilot).screen.query_one(ChainMap).lines_shown
        text = "\n".join(plain(each) for each in shown)
        assert "web-01.s1.qcow2" in screen_text(pilot)
    assert text.count("recording") == 2
    assert "only image" in text

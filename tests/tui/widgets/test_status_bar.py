"""The first line as a widget."""

from tests.tui.conftest import Stage, app_of
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.widgets.status_bar import StatusBar


async def test_it_shows_connections_alarms_and_the_clock(stage: Stage) -> None:
    async with stage(FLEET, size=(120, 36)) as pilot:
        bar = app_of(pilot).screen.query_one(StatusBar)
        text = bar.render_line(0).text
    assert len(text) == 120
    for word in ("vmsnap-tui", "lab", "6 connections", "2 down", "alarm", "12:04:31"):
        assert word in text

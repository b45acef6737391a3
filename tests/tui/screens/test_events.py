"""What the hypervisors say."""

from textual.pilot import Pilot

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.observed import HEARD_EVENTS
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import FLEET, MAIL, WEB
from vmsnap_tui.tui.widgets.table import Table


def hear(pilot: Pilot[None], *names: str, vm: str = WEB.key) -> None:
    for name in names:
        heard = WireHeard(vm, name, {"of": name}, 0.0)
        app_of(pilot).post_message(EngineSpoke(heard))


def shown(pilot: Pilot[None]) -> int:
    return len(app_of(pilot).screen.query_one("#wire", Table).shown_rows)


async def test_events_before_and_after_opening_are_there(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        hear(pilot, "STOP")
        await pilot.pause()
        await pilot.press("e")
        hear(pilot, "RESUME")
        await until(pilot, lambda: shown(pilot) == 2)
        text = screen_text(pilot)
    assert "STOP" in text
    assert '{"of": "RESUME"}' in text


async def test_nothing_heard_says_so(stage: Stage) -> None:
    async with stage(FLEET, "e") as pilot:
        assert "No event yet" in screen_text(pilot)


async def test_a_pause_holds_the_list_and_loses_nothing(stage: Stage) -> None:
    async with stage(FLEET, "e", "space") as pilot:
        hear(pilot, "A", "B", "C")
        await pilot.pause()
        assert shown(pilot) == 0
        assert "paused, 3 not shown" in screen_text(pilot)
        await pilot.press("space")
        await pilot.pause()
        assert shown(pilot) == 3


async def test_the_list_never_grows_without_bound(stage: Stage) -> None:
    async with stage(FLEET, "e") as pilot:
        hear(pilot, *(f"E{number}" for number in range(HEARD_EVENTS + 50)))
        await until(pilot, lambda: f"E{HEARD_EVENTS + 49}" in screen_text(pilot))
        assert shown(pilot) == HEARD_EVENTS


async def test_from_a_machine_its_own_events_are_shown(stage: Stage) -> None:
    keys = ("down", "down", "down", "down", "enter", "e")
    async with stage(FLEET, *keys) as pilot:
        hear(pilot, "MINE")
        hear(pilot, "OTHER", vm=MAIL.key)
        await until(pilot, lambda: shown(pilot) == 1)
        assert "MINE" in screen_text(pilot)


async def test_clearing_and_filtering(stage: Stage) -> None:
    async with stage(FLEET, "e") as pilot:
        hear(pilot, "JOB_A", "STOP")
        await until(pilot, lambda: shown(pilot) == 2)
        await pilot.press("slash", *"stop", "enter")
        assert shown(pilot) == 1
        await pilot.press("c")
        assert shown(pilot) == 0

"""The ledger on screen: read, understood, and repaired through a plan."""

from dataclasses import replace

from textual.pilot import Pilot

from tests.tui.conftest import Stage, screen_text
from tests.tui.operation_stage import on_stage, reached, shown, told, top
from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.errors import NoConnection, PlanRefused
from vmsnap_tui.model.ledger import Ledger
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import RepairRequest, Request
from vmsnap_tui.tui import fixed_ledgers as fixed
from vmsnap_tui.tui.fixed_operations import KEY, completed, listing
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.scenes_ledger import ledger_screen
from vmsnap_tui.tui.screens.ledger import LedgerScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine


def engine(vm: Vm | None = None, refusal: PlanRefused | None = None) -> StillEngine:
    return StillEngine(
        vm or fixed.lost_metadata(),
        entries=listing(),
        started=completed(),
        refusal=refusal,
    )


async def was_read(pilot: Pilot[None]) -> LedgerScreen:
    screen = top(pilot, LedgerScreen)
    await until(pilot, lambda: screen.ledger is not None or screen.error is not None)
    await pilot.pause()
    return screen


async def test_the_matrix_and_the_highlighted_checkpoint_are_shown() -> None:
    async with on_stage(engine(), ledger_screen) as pilot:
        await was_read(pilot)
        assert "4 drifts · 3 can be repaired" in shown(pilot)
        assert "made by      vmsnap-tui" in shown(pilot)
        await pilot.press("down", "down")
        assert "made by      virtnbdbackup" in shown(pilot)
        assert "never touched" in shown(pilot)


async def test_enter_gives_the_details_the_screen_and_escape_the_matrix_again() -> None:
    async with on_stage(engine(), ledger_screen) as pilot:
        await was_read(pilot)
        await pilot.press("down", "enter")
        assert "next vdb" in shown(pilot) and "superseded" not in shown(pilot)
        await pilot.press("escape")
        assert "superseded" in shown(pilot)


async def test_everything_is_repaired_through_a_plan_and_watched_above_the_ledger() -> (
    None
):
    still = engine()
    async with on_stage(still, ledger_screen) as pilot:
        await was_read(pilot)
        await pilot.press("R")
        review = await reached(pilot, PlanReview)
        assert review.plan.title == "repair web-01"
        assert still.planned == [RepairRequest(KEY)]
        assert still.runs == ()
        await pilot.press("r")
        await reached(pilot, RunWatch)
        await pilot.press("escape")
        await reached(pilot, LedgerScreen)


async def test_one_checkpoint_is_repaired_alone() -> None:
    still = engine()
    async with on_stage(still, ledger_screen) as pilot:
        screen = await was_read(pilot)
        await pilot.press("down", "r")
        await reached(pilot, PlanReview)
        assert screen.chosen is not None
        assert still.planned == [RepairRequest(KEY, (screen.chosen.name,))]


async def test_what_others_made_says_why_it_is_not_repaired() -> None:
    async with on_stage(engine(), ledger_screen) as pilot:
        await was_read(pilot)
        await pilot.press("down", "down", "r")
        assert "never touched" in told(pilot)
        top(pilot, LedgerScreen)


async def test_where_all_agrees_there_is_nothing_to_repair() -> None:
    async with on_stage(engine(fixed.whole()), ledger_screen) as pilot:
        await was_read(pilot)
        for key in ("R", "r"):
            await pilot.press(key)
            assert "Nothing is to be repaired" in told(pilot)
        assert "all agree" in shown(pilot)


async def test_what_the_connection_cannot_do_is_said() -> None:
    limit = Limit(Ability.REPAIR, "you may only look", "more rights")
    vm = replace(fixed.lost_metadata(), limits=(limit,))
    async with on_stage(engine(vm), ledger_screen) as pilot:
        await was_read(pilot)
        await pilot.press("R")
        assert "you may only look (needs more rights)" in told(pilot)


async def test_a_connection_that_is_down_repairs_nothing() -> None:
    still = engine()
    async with on_stage(still, ledger_screen) as pilot:
        screen = await was_read(pilot)
        (view,) = still.fleet
        lost = ConnectionView(view.uri, Link.DOWN, "gone", view.vms)
        screen.ours.observed.fleet = (lost,)
        await pilot.press("R")
        assert "The connection is down" in told(pilot)


async def test_an_empty_ledger_says_how_to_begin() -> None:
    still = StillEngine(fixed.without_records())
    async with on_stage(still, ledger_screen) as pilot:
        await was_read(pilot)
        assert "b on the machine backs it up" in shown(pilot)


class _Unreadable(StillEngine):
    async def ledger(self, vm: str) -> Ledger:
        raise NoConnection("the machine cannot be reached", evidence="refused")


async def test_a_ledger_that_cannot_be_read_says_why() -> None:
    async with on_stage(_Unreadable(fixed.whole()), ledger_screen) as pilot:
        await was_read(pilot)
        assert "the machine cannot be reached" in shown(pilot)
        await pilot.press("R")
        assert "has not been read" in told(pilot)


class _Refusing(StillEngine):
    async def plan(self, request: Request) -> Plan:
        raise PlanRefused("a job is at work", evidence="backup job j1")


async def test_a_repair_that_is_refused_says_why() -> None:
    still = _Refusing(fixed.lost_metadata(), entries=listing())
    async with on_stage(still, ledger_screen) as pilot:
        await was_read(pilot)
        await pilot.press("R")
        await until(pilot, lambda: "backup job j1" in told(pilot))
        top(pilot, LedgerScreen)


async def test_l_opens_it_from_home_and_from_the_machine(stage: Stage) -> None:
    """Over the real engine: the ledger of the highlighted machine."""
    async with stage(FLEET, "down", "down", "down", "down", "l") as pilot:
        screen = await reached(pilot, LedgerScreen)
        await until(pilot, lambda: screen.ledger is not None)
        await pilot.pause()
        assert "Ledger of web-01" in screen_text(pilot)
        await pilot.press("escape", "enter", "l")
        await reached(pilot, LedgerScreen)

"""A run on screen: watched, left, stopped, refused."""

from typing import cast

from textual.screen import Screen

from tests.tui.operation_stage import on_stage, reached, shown, told, top
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.tui.fixed_operations import (
    backup_plan,
    completed,
    copying,
    failed,
    job_views,
    web,
)
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine, StillRun, still_run

STALE = PlanRefused("it has changed", evidence="vda", remedy="make the plan again")


def watch(handle: RunHandle) -> Screen[None]:
    return RunWatch(handle)


async def test_steps_and_jobs_are_on_screen() -> None:
    run = still_run(copying(), backup_plan())
    engine = StillEngine(web(), jobs=job_views())
    async with on_stage(engine, lambda: watch(run)) as pilot:
        await until(pilot, lambda: "61 %" in shown(pilot))
        assert "▸  8  copy, until every disk is complete" in shown(pilot)


async def test_escape_leaves_the_run_alone() -> None:
    run = still_run(copying(), backup_plan())
    async with on_stage(StillEngine(web()), lambda: watch(run)) as pilot:
        await pilot.press("escape")
        await reached(pilot, HomeScreen)
        assert cast(StillRun, run).cancels == 0


async def test_stopping_says_what_is_taken_back_and_asks_first() -> None:
    run = still_run(copying(), backup_plan())
    async with on_stage(StillEngine(web()), lambda: watch(run)) as pilot:
        await until(pilot, lambda: top(pilot, RunWatch).heard_all)
        await pilot.press("x")
        await reached(pilot, ConfirmDialog)
        assert "cancel the jobs and remove the new bitmaps" in shown(pilot)
        await pilot.press("enter")
        await reached(pilot, RunWatch)
        assert cast(StillRun, run).cancels == 0
        await pilot.press("x", "right", "enter")
        await reached(pilot, RunWatch)
        assert cast(StillRun, run).cancels == 1
        await pilot.press("x")
        assert "taken back already" in told(pilot)


async def test_what_is_over_cannot_be_stopped_and_enter_closes_it() -> None:
    run = still_run(completed(), backup_plan())
    async with on_stage(StillEngine(web()), lambda: watch(run)) as pilot:
        await until(pilot, lambda: "✓ done" in shown(pilot))
        await pilot.press("x")
        assert "The operation is over" in told(pilot)
        await pilot.press("enter")
        await reached(pilot, HomeScreen)


async def test_a_broken_run_shows_why_and_what_was_undone() -> None:
    run = still_run(failed(), backup_plan())
    async with on_stage(StillEngine(web()), lambda: watch(run)) as pilot:
        await until(pilot, lambda: "failed, and undone" in shown(pilot))
        assert "No space left on device" in shown(pilot)
        assert "what to do" in shown(pilot)


async def test_a_plan_that_no_longer_fits_says_what_changed_and_is_made_again() -> None:
    run = still_run((), backup_plan(), STALE)
    async with on_stage(StillEngine(web()), lambda: watch(run)) as pilot:
        await until(pilot, lambda: "refused: nothing was changed" in shown(pilot))
        assert "it has changed" in shown(pilot)
        await pilot.press("enter")
        await reached(pilot, PlanReview)


async def test_a_plan_that_is_refused_again_says_so() -> None:
    run = still_run((), backup_plan(), STALE)
    no_room = PlanRefused("there is no room")
    engine = StillEngine(web(), refusal=no_room)
    async with on_stage(engine, lambda: watch(run)) as pilot:
        await until(pilot, lambda: "it has changed" in shown(pilot))
        await pilot.press("a")
        await until(pilot, lambda: "there is no room" in shown(pilot))


async def test_a_run_that_was_left_is_watched_again() -> None:
    run = still_run(copying(), backup_plan())
    engine = StillEngine(web())
    engine.runs = (run,)
    async with on_stage(engine, lambda: watch(run)) as pilot:
        await pilot.press("escape")
        await reached(pilot, HomeScreen)
        assert "w watches it" in told(pilot)
        await pilot.press("w")
        screen = await reached(pilot, RunWatch)
        assert screen.handle is run


async def test_how_a_run_ends_that_nobody_watches_is_told() -> None:
    run = cast(StillRun, still_run(copying(), backup_plan()))
    async with on_stage(
        StillEngine(web()), lambda: watch(cast(RunHandle, run))
    ) as pilot:
        await pilot.press("escape")
        await reached(pilot, HomeScreen)
        run.end(failed())
        await until(pilot, lambda: "failed, and undone" in told(pilot))

"""A run takes the place of the form that asked for it."""

from tests.tui.operation_stage import on_stage, reached
from vmsnap_tui.tui.fixed_operations import KEY, completed, web
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine


async def test_form_and_plan_are_gone_when_the_run_is_watched() -> None:
    engine = StillEngine(web(), started=completed())
    async with on_stage(engine, lambda: BackupForm(KEY)) as pilot:
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        await pilot.press("enter")
        await reached(pilot, RunWatch)
        kinds = [type(screen) for screen in pilot.app.screen_stack]
        assert kinds == [HomeScreen, RunWatch]

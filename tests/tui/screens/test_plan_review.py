"""The plan is read before anything happens, and runs once."""

from textual.screen import Screen

from tests.tui.operation_stage import on_stage, reached, shown, told, top
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import Locked
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.tui.fixed_operations import KEY, backup_plan, completed, web
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine
from vmsnap_tui.tui.widgets.lines import LinesView


def review() -> Screen[RunHandle]:
    return PlanReview(backup_plan())


def form() -> Screen[None]:
    return BackupForm(KEY)


async def test_escape_goes_back_and_nothing_has_happened() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        await pilot.press("escape")
        await reached(pilot, BackupForm)
        assert engine.runs == ()


async def test_run_starts_one_run_however_often_it_is_pressed() -> None:
    engine = StillEngine(web(), started=completed())
    async with on_stage(engine, form) as pilot:
        await pilot.press("enter")
        screen = await reached(pilot, PlanReview)
        screen.do_run()
        screen.do_run()
        await reached(pilot, RunWatch)
        assert len(engine.runs) == 1


async def test_commands_show_the_exact_json_and_the_plan_again() -> None:
    async with on_stage(StillEngine(web()), review) as pilot:
        assert "Plan: backup web-01" in shown(pilot)
        await pilot.press("c")
        assert '{"execute":"blockdev-add"' in shown(pilot)
        await pilot.press("c")
        assert '{"execute"' not in shown(pilot)


async def test_copied_commands_are_whole() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, review) as pilot:
        await pilot.press("y")
        for lines in engine.commands(backup_plan()):
            for line in lines:
                assert line in pilot.app.clipboard


async def test_the_whole_plan_can_be_read_at_80x24_with_the_button_in_sight() -> None:
    async with on_stage(StillEngine(web()), review) as pilot:
        last = backup_plan().steps[-1].describe().split("(")[0].strip()
        assert last not in shown(pilot)
        await pilot.press(*["pagedown"] * 6)
        assert last in shown(pilot)
        assert "Run" in shown(pilot)
        await pilot.press("up")
        pane = pilot.app.screen.query_one(LinesView)
        assert pane.scroll_offset.y == pane.max_scroll_y - 1


class _Busy(StillEngine):
    def start(self, plan: Plan) -> RunHandle:
        raise Locked("another operation holds web-01", evidence="root, pid 7")


async def test_what_cannot_be_started_is_said_and_can_be_tried_again() -> None:
    async with on_stage(_Busy(web()), review) as pilot:
        await pilot.press("enter")
        assert "root, pid 7" in told(pilot)
        top(pilot, PlanReview)

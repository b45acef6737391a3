"""What every form promises."""

import pytest

from tests.tui.operation_stage import on_stage, planned, reached, top
from vmsnap_tui.errors import UsageError
from vmsnap_tui.tui.fixed_operations import KEY, web
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.form import chosen_targets
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.still_operations import StillEngine
from vmsnap_tui.tui.widgets.fields import TickBox


async def test_a_form_that_is_come_back_to_is_planned_anew() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, lambda: BackupForm(KEY)) as pilot:
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        count = len(engine.planned)
        await pilot.press("escape")
        await reached(pilot, BackupForm)
        await planned(pilot)
        assert len(engine.planned) == count + 1


async def test_typing_is_planned_once_it_rests() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, lambda: BackupForm(KEY)) as pilot:
        count = len(engine.planned)
        screen = top(pilot, BackupForm)
        for _ in range(3):
            screen.do_next_level()
            screen.do_next_level()
            screen.changed()
        screen.do_next_level()
        await pilot.pause()
        await planned(pilot)
        assert len(engine.planned) == count + 1


def test_targets_are_those_ticked_and_those_not() -> None:
    boxes = [
        TickBox((), name="vda"),
        TickBox((), name="vdb", value=False),
        TickBox((), name="cd0", fixed="it is empty"),
    ]
    assert chosen_targets(boxes) == (("vda",), ("vdb",))
    with pytest.raises(UsageError):
        chosen_targets(boxes[1:])

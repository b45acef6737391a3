"""An engine that stands still keeps the promises that screens build on."""

import inspect

import pytest

from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.tui.fixed_operations import KEY, backup_plan, completed, copying, web
from vmsnap_tui.tui.still_operations import StillEngine, StillRun


@pytest.mark.parametrize(
    ("still", "real"), [(StillEngine, Engine), (StillRun, RunHandle)]
)
def test_what_it_answers_is_called_as_the_real_one(still: type, real: type) -> None:
    for name, member in vars(still).items():
        if name.startswith("_") or not inspect.isfunction(member) or name == "end":
            continue
        theirs = inspect.signature(getattr(real, name)).parameters
        assert list(inspect.signature(member).parameters) == list(theirs), name


async def test_a_run_gives_its_history_and_its_result() -> None:
    run = StillRun(backup_plan(), completed(), None)
    assert [event async for event in run.events()] == list(completed())
    assert run.done
    assert (await run.result()).title == "backup web-01"


async def test_a_run_that_was_refused_raises_from_its_result() -> None:
    run = StillRun(backup_plan(), (), PlanRefused("it has changed"))
    with pytest.raises(PlanRefused):
        await run.result()


async def test_a_run_in_the_middle_ends_when_it_is_let() -> None:
    run = StillRun(backup_plan(), copying(), None)
    assert not run.done
    run.end(completed())
    assert (await run.result()).operation == run.operation


async def test_it_plans_with_the_real_planner_and_keeps_what_was_asked() -> None:
    engine = StillEngine(web())
    request = BackupRequest(vm=KEY, quiesce=True)
    assert await engine.plan(request) == backup_plan()
    assert engine.planned == [request]

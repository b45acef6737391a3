"""What is left over is shown, and recovered after a question."""

from dataclasses import replace

from tests.tui.operation_stage import on_stage, reached, shown, told, top
from vmsnap_tui.engine.doctor import Finding
from vmsnap_tui.errors import NoConnection
from vmsnap_tui.tui.fixed_operations import completed, web
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes_operations import FINDINGS, INTERRUPTED
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.doctor import DoctorScreen
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine


async def test_findings_are_shown_with_evidence_and_remedy() -> None:
    async with on_stage(StillEngine(web(), findings=FINDINGS), DoctorScreen) as pilot:
        await until(pilot, lambda: "2 alarms" in shown(pilot))
        assert "→ restore another point" in shown(pilot)


async def test_an_interrupted_operation_is_recovered_after_a_question() -> None:
    engine = StillEngine(web(), interrupted=(INTERRUPTED,), started=completed())
    async with on_stage(engine, DoctorScreen) as pilot:
        await until(pilot, lambda: top(pilot, DoctorScreen).chosen is not None)
        await pilot.press("enter")
        await reached(pilot, ConfirmDialog)
        assert "conclude all jobs together" in shown(pilot)
        assert engine.runs == ()
        await pilot.press("right", "enter")
        await reached(pilot, RunWatch)
        assert len(engine.runs) == 1


async def test_an_operation_that_a_living_process_holds_is_left_alone() -> None:
    held = replace(INTERRUPTED, alive=True)
    async with on_stage(StillEngine(web(), interrupted=(held,)), DoctorScreen) as pilot:
        await until(pilot, lambda: top(pilot, DoctorScreen).chosen is not None)
        await pilot.press("R")
        assert "is at it" in told(pilot)
        top(pilot, DoctorScreen)


async def test_when_all_is_well_it_says_so() -> None:
    async with on_stage(StillEngine(web()), DoctorScreen) as pilot:
        await until(pilot, lambda: "nothing is stale" in shown(pilot))
        await pilot.press("R")
        assert "nothing to recover" in told(pilot)


class _Lost(StillEngine):
    async def doctor(self, vm: str | None = None) -> tuple[Finding, ...]:
        raise NoConnection("the machine cannot be reached", evidence="refused")


async def test_an_examination_that_fails_says_why() -> None:
    async with on_stage(_Lost(web()), DoctorScreen) as pilot:
        await until(pilot, lambda: "the machine cannot be reached" in shown(pilot))

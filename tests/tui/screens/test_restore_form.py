"""A restore goes to a fresh directory unless told otherwise."""

from dataclasses import replace
from pathlib import Path

from textual.screen import Screen

from tests.tui.operation_stage import on_stage, planned, reached, shown, top
from vmsnap_tui.plan.requests import RestoreFormat, RestoreRequest
from vmsnap_tui.tui.fixed_operations import (
    THIRD,
    completed,
    listing,
    stored_points,
    web,
)
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.restore_form import RestoreForm, fresh_directory
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine


def last_request(engine: StillEngine) -> RestoreRequest:
    request = engine.planned[-1]
    assert isinstance(request, RestoreRequest)
    return request


async def test_enter_and_enter_again_restore_all_disks(tmp_path: Path) -> None:
    engine = StillEngine(web(), entries=listing(), started=completed())

    def form() -> Screen[None]:
        return RestoreForm(THIRD, tmp_path)

    async with on_stage(engine, form) as pilot:
        fresh = str(tmp_path / f"web-01-{THIRD}")
        assert last_request(engine) == RestoreRequest(THIRD, fresh)
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        await pilot.press("enter")
        await reached(pilot, RunWatch)


async def test_disks_and_format_are_in_the_request(tmp_path: Path) -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, lambda: RestoreForm(THIRD, tmp_path)) as pilot:
        await pilot.press("o", *["up"] * 3, "space")
        await planned(pilot)
        assert last_request(engine).disks == ("vda",)
        assert last_request(engine).format is RestoreFormat.RAW


async def test_an_empty_directory_is_refused_in_place(tmp_path: Path) -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, lambda: RestoreForm(THIRD, tmp_path)) as pilot:
        await pilot.press("up", "up", "ctrl+u")
        await planned(pilot)
        assert "no directory is named" in shown(pilot)


async def test_a_point_that_is_not_there_is_said(tmp_path: Path) -> None:
    engine = StillEngine(web())
    async with on_stage(engine, lambda: RestoreForm("2020", tmp_path)) as pilot:
        await until(pilot, lambda: "there is no such point" in shown(pilot))
        top(pilot, RestoreForm)


def test_a_directory_that_exists_is_not_proposed(tmp_path: Path) -> None:
    stored = stored_points()[2]
    first = fresh_directory(stored, tmp_path)
    first.mkdir()
    second = fresh_directory(stored, tmp_path)
    assert first == tmp_path / f"web-01-{THIRD}"
    assert second == tmp_path / f"web-01-{THIRD}-2"


def test_a_machines_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    stored = stored_points()[2]
    hostile = replace(stored, point=replace(stored.point, vm_name="../../etc/x\n"))
    assert fresh_directory(hostile, tmp_path).parent == tmp_path

"""Points on screen: read, checked and taken from."""

import asyncio
from collections.abc import Callable

from textual.screen import Screen

from tests.tui.operation_stage import on_stage, reached, shown, told, top
from vmsnap_tui.errors import DamagedPoint
from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.tui.fixed_operations import KEY, SECOND, THIRD, listing, web
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.screens.points import PointsScreen
from vmsnap_tui.tui.screens.restore_form import RestoreForm
from vmsnap_tui.tui.still_operations import StillEngine


def points() -> Screen[None]:
    return PointsScreen(KEY)


async def test_points_are_listed_newest_first_and_the_damaged_one_says_why() -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).listed)
        await pilot.pause()
        assert "vda incr, vdb full" in shown(pilot)
        assert "its manifest is empty" in shown(pilot)


async def test_of_all_machines_each_row_names_its_own() -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, PointsScreen) as pilot:
        await until(pilot, lambda: "web-01" in shown(pilot))


async def test_enter_shows_details_and_escape_the_list_again() -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).chosen is not None)
        await pilot.press("down", "enter")
        assert f"point        {SECOND}" in shown(pilot)
        assert "its sha256 is not the one of the manifest" in shown(pilot)
        await pilot.press("escape")
        assert "vda incr, vdb full" in shown(pilot)


async def test_restore_opens_the_form_of_the_highlighted_point() -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).chosen is not None)
        await pilot.press("r")
        screen = await reached(pilot, RestoreForm)
        assert screen.point_id == THIRD


async def test_a_damaged_point_is_neither_checked_nor_restored() -> None:
    engine = StillEngine(web(), entries=listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).chosen is not None)
        await pilot.press("end")
        for key in ("r", "v"):
            await pilot.press(key)
            assert "its manifest is empty" in told(pilot)
        top(pilot, PointsScreen)


class _Checking(StillEngine):
    """A check that is half way until it is let go on."""

    def __init__(self, entries: tuple[StoredPoint | DamagedEntry, ...]) -> None:
        super().__init__(web(), entries=entries)
        self.let = asyncio.Event()

    async def verify(
        self,
        point_id: str,
        level: VerifyLevel,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Verification:
        assert progress is not None
        progress(50, 100, "disk-vda.qcow2")
        await self.let.wait()
        return await super().verify(point_id, level, progress)


async def test_a_check_shows_how_far_it_is_and_then_what_it_found() -> None:
    engine = _Checking(listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).chosen is not None)
        await pilot.press("v")
        await until(pilot, lambda: "50 %" in shown(pilot))
        await pilot.press("v")
        assert "one at a time" in told(pilot)
        engine.let.set()
        await until(pilot, lambda: f"Point {THIRD} is whole" in shown(pilot))
        assert "50 %" not in shown(pilot)
        assert "is whole" not in told(pilot)


async def test_a_check_that_was_left_says_what_it_found() -> None:
    engine = _Checking(listing())
    async with on_stage(engine, points) as pilot:
        await until(pilot, lambda: top(pilot, PointsScreen).chosen is not None)
        await pilot.press("v", "escape")
        engine.let.set()
        await until(pilot, lambda: f"Point {THIRD} is whole" in told(pilot))


class _Broken(StillEngine):
    def points(self, vm: str | None = None) -> tuple[StoredPoint | DamagedEntry, ...]:
        raise DamagedPoint("the repository cannot be read", evidence="I/O error")


async def test_a_repository_that_cannot_be_read_says_why() -> None:
    async with on_stage(_Broken(web()), points) as pilot:
        await until(pilot, lambda: "the repository cannot be read" in shown(pilot))
        assert "I/O error" in shown(pilot)


async def test_without_points_it_says_how_to_make_one() -> None:
    async with on_stage(StillEngine(web()), points) as pilot:
        await until(pilot, lambda: "no point yet" in shown(pilot))

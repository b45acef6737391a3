"""Jobs inside QEMU, and the operations behind them."""

from dataclasses import replace
from functools import partial

from textual.pilot import Pilot

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.engine.events import JobsMoved, JobView
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import FLEET, INTERRUPTED, WEB, jobs
from vmsnap_tui.tui.scenes_libvirt import HOST, SHOP
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.jobs import JobsScreen


async def move(pilot: Pilot[None], *views: JobView) -> None:
    app_of(pilot).post_message(EngineSpoke(JobsMoved(WEB.key, views)))
    await pilot.pause()


def more_is_said(pilot: Pilot[None], before: int) -> bool:
    return len(app_of(pilot)._notifications) > before


async def test_without_jobs_it_says_where_they_come_from(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        assert "No job runs" in screen_text(pilot)
        await pilot.press("x")
        assert not isinstance(app_of(pilot).screen, ConfirmDialog)


async def test_interrupted_operations_are_listed(stage: Stage) -> None:
    async with stage(INTERRUPTED, "j", size=(120, 36)) as pilot:
        assert "interrupted" in screen_text(pilot)


async def test_cancelling_names_the_job_and_asks(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        await move(pilot, *jobs())
        await pilot.press("x")
        await pilot.pause()
        text = screen_text(pilot)
    assert "Cancel backup of web-01 vda?" in text
    assert jobs()[0].job.id in text


async def test_a_job_that_ends_meanwhile_takes_its_question_with_it(
    stage: Stage,
) -> None:
    async with stage(FLEET, "j") as pilot:
        await move(pilot, *jobs())
        await pilot.press("x")
        await pilot.pause()
        await move(pilot)
        await pilot.pause()
        assert not isinstance(app_of(pilot).screen, ConfirmDialog)
        assert "the job has ended meanwhile" in " ".join(screen_text(pilot).split())


async def test_what_qemu_refuses_is_told(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        foreign = replace(jobs()[0], job=replace(jobs()[0].job, id="drive-backup-7"))
        await move(pilot, foreign)
        for key in ("minus", "0", "space"):
            before = len(app_of(pilot)._notifications)
            await pilot.press(key)
            await until(pilot, partial(more_is_said, pilot, before))


async def test_a_job_without_a_limit_cannot_be_faster(stage: Stage) -> None:
    async with stage(FLEET, "j") as pilot:
        await move(pilot, *jobs())
        await pilot.press("plus")
        await pilot.pause()
        assert "no limit" in screen_text(pilot)


async def test_what_libvirt_cannot_do_with_a_job_is_greyed_and_says_why(
    stage: Stage,
) -> None:
    async with stage(HOST, "j", size=(120, 36)) as pilot:
        view = replace(jobs()[0], vm=SHOP.key, vm_name=SHOP.name)
        app_of(pilot).post_message(EngineSpoke(JobsMoved(SHOP.key, (view,))))
        await pilot.pause()
        screen = app_of(pilot).screen
        assert isinstance(screen, JobsScreen)
        assert "neither pause a job nor resume it" in screen.why_not("pause")
        for able in ("cancel", "faster", "slower", "unlimited"):
            assert screen.why_not(able) == ""
        await pilot.press("space")
        await until(pilot, lambda: "neither pause" in screen_text(pilot))

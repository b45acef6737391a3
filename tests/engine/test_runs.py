"""Runs as fronts see them: what they say, how they are refused, cut off and resumed."""

from pathlib import Path

import pytest

from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import (
    Outcome,
    RunEnded,
    RunProgressed,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import Locked, PlanRefused, StepFailed
from vmsnap_tui.model.point import VerifyLevel
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.repository.repository import Repository


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend("web-01")


def engine_on(backend: MemoryBackend, directory: Path) -> Engine:
    settings = Settings((backend.uri,), directory / "repo", directory / "state")
    return Engine(settings, lambda uri: backend)


async def test_a_run_tells_its_whole_story_to_late_listeners_too(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    result = await handle.result()
    story = [event async for event in handle.events()]
    await engine.close()
    assert isinstance(story[0], RunStarted)
    assert isinstance(story[-1], RunEnded)
    assert story[-1].result == result
    begun = [e.index for e in story if isinstance(e, StepStarted)]
    ended = [e.index for e in story if isinstance(e, StepEnded)]
    assert begun == ended == list(range(len(handle.plan.steps)))


@pytest.mark.parametrize(
    "effect",
    ["attach_targets", "start_backup", "await_jobs", "finalize_jobs", "detach_targets"],
)
async def test_a_refused_step_is_taken_back_and_nothing_is_forgotten(
    backend: MemoryBackend, tmp_path: Path, effect: str
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()
    first = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    backend.write("vda", 3, b"new")

    def refuse(name: str) -> None:
        if name == effect:
            raise StepFailed("no", evidence="said QEMU")

    backend.before_effect = refuse
    failed = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    assert failed.outcome is Outcome.UNDONE
    assert "said QEMU" in failed.error
    assert failed.point == ""
    backend.before_effect = lambda name: None
    after = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    await engine.close()
    assert after.level == "incremental"
    stored = [blocks for name, blocks in backend.stored.items() if after.point in name]
    assert {3: b"new"} in stored
    assert {p.point.id for p in engine.points()} == {  # type: ignore[union-attr]
        first.point,
        after.point,
    }


async def test_an_undo_that_fails_is_kept_and_tried_again(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()

    def refuse(name: str) -> None:
        if name in ("await_jobs", "abort_backup"):
            raise StepFailed("no")

    backend.before_effect = refuse
    stuck = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    assert stuck.outcome is Outcome.STUCK
    assert stuck.operation in stuck.remedy
    backend.before_effect = lambda name: None
    (left,) = engine.unfinished()
    assert "tries again" in left.will
    result = await engine.recover(stuck.operation).result()
    assert result.outcome is Outcome.UNDONE
    assert engine.unfinished() == ()
    await engine.close()


async def test_what_an_earlier_run_left_is_settled_before_a_new_one_begins(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()

    def kill(name: str) -> None:
        if name == "finalize_jobs":
            raise Killed

    backend.before_effect = kill
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    with pytest.raises(Killed):
        await handle.result()
    backend.before_effect = lambda name: None
    after = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    await engine.close()
    assert after.outcome is Outcome.DONE
    points = [entry.point.id for entry in engine.points()]  # type: ignore[union-attr]
    assert points == [handle.plan.point, after.point]


async def test_a_plan_that_no_longer_fits_is_refused(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    plan = await engine.plan(BackupRequest("web-01"))
    assert {disk.level for disk in plan.disks} == {"incremental"}
    backend.restart(crashed=True)
    with pytest.raises(PlanRefused, match="changed since"):
        await engine.start(plan).result()
    assert engine.unfinished() == ()
    await engine.close()


async def test_a_locked_machine_names_who_holds_it(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    plan = await engine.plan(BackupRequest("web-01"))
    repository = Repository.open(tmp_path / "repo")
    vm = engine.find_vm("web-01")
    name = repository.vm_directory(vm).name
    with (
        repository.lock_vm(name, "somebody's backup"),
        pytest.raises(Locked, match="process"),
    ):
        await engine.start(plan).result()
    await engine.close()


async def test_a_repository_that_went_missing_is_not_made_anew_by_recovery(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()

    def kill(name: str) -> None:
        if name == "finalize_jobs":
            raise Killed

    backend.before_effect = kill
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    with pytest.raises(Killed):
        await handle.result()
    backend.before_effect = lambda name: None
    (tmp_path / "repo").rename(tmp_path / "unmounted")
    with pytest.raises(Exception, match="repository"):
        await engine.recover(handle.operation).result()
    assert not (tmp_path / "repo").exists()
    (tmp_path / "unmounted").rename(tmp_path / "repo")
    result = await engine.recover(handle.operation).result()
    assert result.outcome is Outcome.DONE
    await engine.close()


async def test_what_cannot_be_written_down_is_not_begun(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in the way")
    engine = engine_on(backend, tmp_path)
    await engine.open()
    with pytest.raises(PlanRefused, match="VMSNAP_STATE_DIR"):
        await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    assert backend.stored == {}
    await engine.close()


async def test_a_point_that_stands_alone_was_verified_by_its_sealing(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    engine = engine_on(backend, tmp_path)
    await engine.open()
    first = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    verified = engine.find_point(first.point).verified
    assert verified is not None
    assert (verified.level, verified.ok) == (VerifyLevel.CHECKSUMS, True)
    second = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    assert second.level == "incremental"
    assert engine.find_point(second.point).verified is None
    await engine.close()


async def test_progress_of_hours_is_not_kept(
    backend: MemoryBackend, tmp_path: Path
) -> None:
    backend.completes = False
    engine = engine_on(backend, tmp_path)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    seen = 0
    async for event in handle.events():
        if isinstance(event, RunProgressed) and seen < 500:
            seen += 1
            backend._stir()
        elif seen == 500:
            backend.complete_jobs()
            seen += 1
    assert (await handle.result()).outcome is Outcome.DONE
    assert seen > 500
    assert len(handle.history) == 2 + 2 * len(handle.plan.steps)
    await engine.close()

"""Effects on files: what is created, sealed, restored and named, or refused."""

import asyncio
import os
from pathlib import Path

import pytest

from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.effects import Arms, Effects
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import DamagedPoint, StepFailed
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RestoreRequest
from vmsnap_tui.plan.steps import (
    CreateTarget,
    PrepareDirectory,
    PreparePoint,
    PublishFiles,
    SealTarget,
)
from vmsnap_tui.repository.repository import Repository


def engine_in(directory: Path) -> tuple[Engine, MemoryBackend]:
    backend = MemoryBackend("web-01")
    settings = Settings((backend.uri,), directory / "repository", directory / "state")
    return Engine(settings, lambda uri: backend), backend


async def planned(directory: Path) -> tuple[Plan, Effects]:
    engine, backend = engine_in(directory)
    await engine.open()
    plan = await engine.plan(BackupRequest("web-01"))
    repository = Repository.open(directory / "repository", create=True)
    arms = Arms(repository, backend, directory / "guard")
    return plan, Effects(plan, arms, lambda kind: [], lambda *_: None, asyncio.Event())


async def test_a_target_is_private_and_never_one_that_exists(tmp_path: Path) -> None:
    plan, effects = await planned(tmp_path)
    create = next(s for s in plan.steps if isinstance(s, CreateTarget))
    await effects.perform(PreparePoint(plan.point))
    await effects.perform(create)
    partial = tmp_path / "repository" / "tmp" / plan.point
    assert (partial / create.file).stat().st_mode & 0o777 == 0o600
    assert partial.stat().st_mode & 0o777 == 0o700
    with pytest.raises(StepFailed):
        await effects.perform(create)


async def test_a_target_that_is_no_whole_image_is_not_sealed(tmp_path: Path) -> None:
    plan, effects = await planned(tmp_path)
    create = next(s for s in plan.steps if isinstance(s, CreateTarget))
    seal = next(s for s in plan.steps if isinstance(s, SealTarget))
    await effects.perform(PreparePoint(plan.point))
    await effects.perform(create)
    os.truncate(tmp_path / "repository" / "tmp" / plan.point / create.file, 1000)
    with pytest.raises(StepFailed, match="not a whole image"):
        await effects.perform(seal)


async def test_a_restored_disk_never_takes_a_name_that_is_taken(
    tmp_path: Path,
) -> None:
    _, effects = await planned(tmp_path)
    for name in ("vda", "vdb"):
        (tmp_path / f"{name}.raw.partial").write_text(name)
    (tmp_path / "vdb.raw").write_text("somebody else's")
    pairs = tuple(
        (str(tmp_path / f"{name}.raw.partial"), str(tmp_path / f"{name}.raw"))
        for name in ("vda", "vdb")
    )
    with pytest.raises(StepFailed, match="cannot get its name"):
        await effects.perform(PublishFiles(pairs))
    assert not (tmp_path / "vda.raw").exists()
    assert (tmp_path / "vdb.raw").read_text() == "somebody else's"


async def test_naming_restored_files_may_be_repeated(tmp_path: Path) -> None:
    _, effects = await planned(tmp_path)
    partial, final = tmp_path / "vda.raw.partial", tmp_path / "vda.raw"
    partial.write_text("content")
    os.link(partial, final)
    step = PublishFiles(((str(partial), str(final)),))
    await effects.perform(step)
    await effects.perform(step)
    assert final.read_text() == "content"
    assert not partial.exists()
    assert step.took_effect(await effects.world(step))


async def test_a_directory_of_the_operators_keeps_its_mode(tmp_path: Path) -> None:
    _, effects = await planned(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    before = mine.stat().st_mode
    await effects.perform(PrepareDirectory(str(mine / "new" / "deeper")))
    assert mine.stat().st_mode == before
    assert (mine / "new").stat().st_mode & 0o777 == 0o700
    assert (mine / "new" / "deeper").stat().st_mode & 0o777 == 0o700


async def test_nothing_is_restored_from_a_file_with_a_flipped_bit(
    tmp_path: Path,
) -> None:
    engine, _ = engine_in(tmp_path)
    await engine.open()
    done = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    plan = await engine.plan(RestoreRequest(done.point, str(tmp_path / "out")))
    stored = engine.find_point(done.point).directory / "disk-vda.qcow2"
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    failed = await engine.start(plan).result()
    assert failed.outcome is Outcome.UNDONE
    assert "damaged" in failed.error
    assert not (tmp_path / "out").exists()
    os.truncate(stored, len(data) - 512)
    with pytest.raises(DamagedPoint, match="bytes"):
        await engine.start(plan).result()
    await engine.close()

"""What the machine in memory offers to tests beyond the contract."""

import asyncio

import pytest

from vmsnap_tui.backends.base import Backend, Link
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.errors import NoConnection, StepFailed
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import VmState


class Killed(BaseException):
    """Stands for SIGKILL: no handler may see it."""


def an_instant(name: str = "op1", since: str = "") -> BackupInstant:
    level = DiskLevel.INCREMENTAL if since else DiskLevel.FULL
    merge = (RecordedIn("vda", since),) if since else ()
    disk = DiskInstant("vda", name, f"t-{name}", level, name, True, f"{name}-s", merge)
    return BackupInstant(name, (disk,))


async def opened(*, completes: bool = True) -> MemoryBackend:
    backend = MemoryBackend(completes=completes)
    await backend.open()
    return backend


async def started(backend: MemoryBackend) -> BackupInstant:
    instant = an_instant()
    await backend.attach_targets(backend.uuid, instant)
    await backend.start_backup(backend.uuid, instant)
    return instant


def test_it_is_a_backend() -> None:
    backend: Backend = MemoryBackend()
    assert backend.link is Link.DOWN


async def test_hooks_are_called_around_every_effect() -> None:
    backend = await opened()
    heard: list[str] = []
    backend.before_effect = lambda effect: heard.append(f"before {effect}")
    backend.after_effect = lambda effect: heard.append(f"after {effect}")
    await started(backend)
    assert heard == [
        "before attach_targets",
        "after attach_targets",
        "before start_backup",
        "after start_backup",
    ]


@pytest.mark.parametrize(("moment", "took"), [("before", False), ("after", True)])
async def test_killed_before_or_after_an_effect(moment: str, took: bool) -> None:
    backend = await opened()

    def kill(effect: str) -> None:
        if effect == "start_backup":
            raise Killed

    setattr(backend, f"{moment}_effect", kill)
    with pytest.raises(Killed):
        await started(backend)
    assert await backend.backup_started(backend.uuid, an_instant()) is took


async def test_jobs_wait_until_they_are_told_to_complete() -> None:
    backend = await opened(completes=False)
    backend.write("vda", 3, b"x")
    instant = await started(backend)
    waiting = asyncio.create_task(
        backend.await_jobs(backend.uuid, instant, lambda jobs: None)
    )
    backend.complete_jobs()
    await waiting
    assert backend.stored["op1"] == {3: b"x"}


async def test_failed_job_tells_its_error() -> None:
    backend = await opened(completes=False)
    instant = await started(backend)
    backend.fail_job(instant.job_ids[0], "No space left on device")
    with pytest.raises(StepFailed, match="No space left"):
        await backend.await_jobs(backend.uuid, instant, lambda jobs: None)


async def test_guest_stopped_by_an_error_fails_the_wait_and_is_set_going() -> None:
    backend = await opened(completes=False)
    instant = await started(backend)
    backend.state = VmState.IO_ERROR
    with pytest.raises(StepFailed, match="I/O error"):
        await backend.await_jobs(backend.uuid, instant, lambda jobs: None)
    await backend.abort_backup(backend.uuid, instant, was_running=True)
    assert backend.state is VmState.RUNNING


async def test_crash_loses_what_was_not_saved_and_distrusts_what_was() -> None:
    backend = await opened()
    await started(backend)
    backend.restart(crashed=False)
    await backend.attach_targets(backend.uuid, an_instant("op2"))
    await backend.start_backup(backend.uuid, an_instant("op2"))
    backend.restart(crashed=True)
    (vm,) = await backend.read()
    (bitmap,) = vm.disks[0].active.bitmaps
    assert (bitmap.name, bitmap.inconsistent) == ("op1", True)
    with pytest.raises(StepFailed, match="no use"):
        await backend.attach_targets(backend.uuid, an_instant("op3", since="op1"))
        await backend.start_backup(backend.uuid, an_instant("op3", since="op1"))


async def test_lost_connection_is_told_and_opened_again() -> None:
    backend = await opened()
    backend.lose_connection()
    with pytest.raises(NoConnection):
        await backend.read()
    await backend.open()
    assert len(await backend.read()) == 1


async def test_copy_is_of_the_instant_and_not_of_what_came_after() -> None:
    backend = await opened(completes=False)
    backend.write("vda", 3, b"old")
    await started(backend)
    backend.write("vda", 3, b"new")
    backend.complete_jobs()
    assert backend.stored["op1"] == {3: b"old"}

"""Machines come, change and go; what was last seen stays, marked stale."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.base import Link
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import ConnectionView, FleetChanged, JobsMoved
from vmsnap_tui.engine.fleet import Connection
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.requests import BackupRequest


async def until(engine: Engine, **wanted: object) -> ConnectionView:
    """The first view of the first connection that is as wanted."""
    async with asyncio.timeout(15):
        async for event in engine.events():
            if isinstance(event, FleetChanged):
                view = event.connections[0]
                if all(getattr(view, name) == v for name, v in wanted.items()):
                    return view
    raise AssertionError("the events ended")


@pytest.mark.qemu
async def test_a_machine_that_dies_is_shown_as_it_was_and_comes_back(
    machine: StartMachine, lab_directory: Path
) -> None:
    started = await machine()
    settings = Settings(
        (started.connection,), lab_directory / "repo", lab_directory / "state"
    )
    engine = Engine(settings)
    await engine.open()
    try:
        up = await until(engine, link=Link.UP)
        await started.kill()
        down = await until(engine, link=Link.DOWN)
        assert down.stale
        assert down.reason
        assert [vm.name for vm in down.vms] == [vm.name for vm in up.vms]
        await started.start()
        again = await until(engine, link=Link.UP)
        assert again.vms[0].name == started.name
    finally:
        await engine.close()


@pytest.mark.qemu
async def test_a_machine_that_is_not_there_yet_is_found_when_it_starts(
    machine: StartMachine, lab_directory: Path
) -> None:
    started = await machine()
    await started.stop()
    settings = Settings(
        (started.connection,), lab_directory / "repo", lab_directory / "state"
    )
    engine = Engine(settings)
    await engine.open()
    try:
        assert engine.fleet[0].link is Link.DOWN
        await started.start()
        view = await until(engine, link=Link.UP)
        assert [vm.name for vm in view.vms] == [started.name]
    finally:
        await engine.close()


async def test_a_jobs_progress_is_told_to_who_listens(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01", completes=False)
    backend.write("vda", 0, b"x")
    settings = Settings((backend.uri,), tmp_path / "repo", tmp_path / "state")
    engine = Engine(settings, lambda uri: backend)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    seen: list[JobsMoved] = []
    async with asyncio.timeout(10):
        async for event in engine.events():
            if isinstance(event, JobsMoved):
                seen.append(event)
                if event.jobs:
                    backend.complete_jobs()
                else:
                    break
    result = await handle.result()
    await engine.close()
    assert seen[0].jobs[0].title == "backup web-01"
    assert seen[0].jobs[0].job.target in ("vda", "vdb")
    assert result.error == ""


async def test_a_failed_read_keeps_the_last_good_one(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    connection = Connection(backend, lambda event: None, lambda: None)
    await connection.connect()
    assert connection.view.link is Link.UP
    backend.lose_connection()
    vms = await connection.read()
    assert connection.view.stale
    assert [vm.name for vm in vms] == ["web-01"]


async def test_a_link_that_goes_while_it_is_read_is_not_shown_as_up(
    tmp_path: Path,
) -> None:
    class Fleeting(MemoryBackend):
        async def read(self) -> tuple[Vm, ...]:
            vms = await super().read()
            self.lose_connection()
            return vms

    connection = Connection(Fleeting("web-01"), lambda event: None, lambda: None)
    await connection.connect()
    assert connection.view.link is not Link.UP
    assert [vm.name for vm in connection.view.vms] == ["web-01"]


class Slow(MemoryBackend):
    """One that takes its time to open."""

    def __init__(self) -> None:
        super().__init__("web-01")
        self.may_open = asyncio.Event()
        self.opened = 0

    async def open(self) -> None:
        self.opened += 1
        await self.may_open.wait()
        await super().open()


async def test_what_happens_right_after_the_opening_is_heard_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("RETRY_S", "GLANCE_S"):
        monkeypatch.setattr(f"vmsnap_tui.engine.fleet.{patience}", 3600.0)
    backend = Slow()
    settings = Settings((backend.uri,), tmp_path / "repo", tmp_path / "state")
    engine = Engine(settings, lambda uri: backend)
    listening = asyncio.create_task(until(engine, link=Link.UP))
    opening = asyncio.create_task(engine.open())
    await asyncio.sleep(0)
    backend.may_open.set()
    await opening
    await listening
    backend.lose_connection()
    assert (await until(engine, link=Link.DOWN)).stale
    await engine.close()


async def test_an_opening_that_takes_its_time_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmsnap_tui.engine.fleet.RETRY_S", 0.0)
    backend = Slow()
    settings = Settings((backend.uri,), tmp_path / "repo", tmp_path / "state")
    engine = Engine(settings, lambda uri: backend)
    listening = asyncio.create_task(until(engine, link=Link.UP))
    opening = asyncio.create_task(engine.open())
    for _ in range(20):
        await asyncio.sleep(0)
    backend.may_open.set()
    await opening
    await listening
    await engine.close()
    assert backend.opened == 1

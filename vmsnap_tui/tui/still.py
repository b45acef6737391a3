"""Machines that stand still, for pictures: the same bytes at every run.

The engine over them is the real one, and so is the repository: a picture never
shows what the program would not.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vmsnap_tui.backends.base import BackendEvent, Link, LinkChanged, Wire
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.backends.qmp.commands import QmpWire
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.journal import Header, Line
from vmsnap_tui.engine.machine import Direction, Mark, Record
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import NoConnection, NotFound
from vmsnap_tui.model.point import Point, Verification
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import AwaitJobs
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.theme import DEFAULT_THEME

NOW = datetime(2026, 11, 20, 12, 4, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StillConnection:
    """A connection and its machines: one behind a socket, `vms` of a libvirt.

    `refused` is why it was never reached, `lost` why it went after the first read.
    """

    uri: str
    vm: Vm | None = None
    refused: str = ""
    lost: str = ""
    vms: tuple[Vm, ...] = ()

    @property
    def machines(self) -> tuple[Vm, ...]:
        return self.vms if self.vm is None else (self.vm, *self.vms)


class StillBackend(MemoryBackend):
    """Reads as it was told; effects are those of a machine in memory."""

    def __init__(self, still: StillConnection) -> None:
        super().__init__(still.machines[0].name if still.machines else "none")
        self.uri = still.uri
        self.wire: Wire = QmpWire()
        self._still = still
        self._was_read = asyncio.Event()

    async def open(self) -> None:
        if self._still.refused:
            raise NoConnection(self._still.refused)
        await super().open()

    async def glance(self) -> tuple[Vm, ...]:
        return await self.read()

    async def read(self) -> tuple[Vm, ...]:
        if self.link is not Link.UP or not self._still.machines:
            raise NoConnection(self._still.refused or self._still.lost)
        self._was_read.set()
        return self._still.machines

    async def look(self, vm: str) -> Vm:
        for found in await self.read():
            if found.key == vm:
                return found
        raise NotFound("no such VM", evidence=vm)

    def events(self) -> AsyncIterator[BackendEvent]:
        return self._lost_after_read() if self._still.lost else super().events()

    async def _lost_after_read(self) -> AsyncIterator[BackendEvent]:
        listening = super().events()
        await self._was_read.wait()
        self.lose_connection()
        yield LinkChanged(Link.DOWN, self._still.lost)
        async for event in listening:
            if not isinstance(event, LinkChanged):
                yield event


@dataclass(frozen=True, slots=True)
class Still:
    """What a picture is of: connections, stored points, an interrupted plan."""

    connections: tuple[StillConnection, ...] = ()
    points: tuple[tuple[Vm, Point, Verification | None], ...] = ()
    interrupted: tuple[Plan, ...] = ()


def still_app(still: Still, directory: Path, theme: str = DEFAULT_THEME) -> VmsnapApp:
    """An app over a real engine and repository in an empty private directory."""
    settings = Settings(
        connections=tuple(each.uri for each in still.connections),
        repository=directory / "repository",
        state_directory=directory / "state",
    )
    if still.points:
        _store(Repository.open(directory / "repository", create=True), still)
    by_uri = {each.uri: each for each in still.connections}
    engine = Engine(settings, lambda uri: StillBackend(by_uri[uri]), lambda: NOW)
    _interrupt(still.interrupted, engine)
    return VmsnapApp(engine, place="lab", clock=lambda: NOW, theme=theme)


def _store(repository: Repository, still: Still) -> None:
    for vm, point, verification in still.points:
        repository.create_partial(point.id)
        for disk in point.disks:
            path = repository.create_disk_file(point.id, disk.file)
            with path.open("r+b") as file:
                file.truncate(disk.bytes)
        repository.write_manifest(point.id, vm, point)
        repository.commit(point.id, vm)
        if verification is not None:
            repository.record_verification(repository.find(point.id), verification)


def _interrupt(plans: tuple[Plan, ...], engine: Engine) -> None:
    """Journals as a process leaves them that was killed while the disks were copied."""
    for plan in plans:
        engine.journals.create(plan).close()
        header = Header(plan, "2026-11-20T03:00:00.000Z", "root", "backup-host", 4242)
        path = engine.journals.directory / f"{plan.operation}.jsonl"
        copying = next(
            n for n, step in enumerate(plan.steps) if isinstance(step, AwaitJobs)
        )
        entries = [header, *map(Line, _records_until(copying))]
        path.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in entries))


def _records_until(index: int) -> list[Record]:
    """Every step before was done, this one was begun."""
    marks = [(n, mark) for n in range(index) for mark in (Mark.INTENT, Mark.DONE)]
    return [
        Record(n, Direction.FORWARD, mark) for n, mark in [*marks, (index, Mark.INTENT)]
    ]

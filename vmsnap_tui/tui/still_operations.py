"""An engine that stands still: the same picture whenever it is drawn.

It answers with the fixed values of `fixed_operations` and touches nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from textual.screen import Screen

from vmsnap_tui.backends.base import Backend, Link
from vmsnap_tui.backends.qmp.commands import QmpWire
from vmsnap_tui.engine.doctor import Finding
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import (
    ConnectionView,
    EngineEvent,
    FleetChanged,
    JobsMoved,
    JobView,
    RunEnded,
    RunEvent,
    RunResult,
)
from vmsnap_tui.engine.journal import Unfinished
from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.engine.wires import commands_of
from vmsnap_tui.errors import NotFound, VmsnapError
from vmsnap_tui.model.ledger import Ledger
from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.ledger import ledger_of
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import (
    BackupRequest,
    RepairRequest,
    Request,
    RestoreRequest,
)
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.tui import fixed_operations as fixed
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.fixed_ledgers import kept, repair_plan


class _StillBackend:
    """Only what shows the commands."""

    wire = QmpWire()


class StillRun:
    """A run at one instant of its life."""

    def __init__(
        self, plan: Plan, history: Sequence[RunEvent], refused: VmsnapError | None
    ) -> None:
        self.plan = plan
        self.operation = plan.operation
        self.history = tuple(history)
        self.cancels = 0
        self._refused = refused
        self._moved = asyncio.Event()

    @property
    def done(self) -> bool:
        return self._refused is not None or self._ended is not None

    @property
    def _ended(self) -> RunResult | None:
        ends = [e.result for e in self.history if isinstance(e, RunEnded)]
        return ends[-1] if ends else None

    async def events(self) -> AsyncIterator[RunEvent]:
        for event in self.history:
            yield event
        if not self.done:
            await self._moved.wait()

    async def result(self) -> RunResult:
        if self._refused is not None:
            raise self._refused
        while self._ended is None:
            await self._moved.wait()
        return self._ended

    def end(self, history: Sequence[RunEvent]) -> None:
        """Let it be over, in another way than it stands."""
        self.history = tuple(history)
        self._moved.set()

    def cancel(self) -> None:
        self.cancels += 1


def still_run(
    history: Sequence[RunEvent], plan: Plan, refused: VmsnapError | None = None
) -> RunHandle:
    return cast(RunHandle, StillRun(plan, history, refused))


class StillEngine:
    """The part of the engine that screens of operations ask; nothing happens."""

    def __init__(
        self,
        vm: Vm,
        *,
        jobs: tuple[JobView, ...] = (),
        entries: tuple[StoredPoint | DamagedEntry, ...] = (),
        findings: tuple[Finding, ...] = (),
        interrupted: tuple[Unfinished, ...] = (),
        started: Sequence[RunEvent] = (),
        refusal: VmsnapError | None = None,
    ) -> None:
        self.settings = Settings(
            (vm.connection,), Path(fixed.REPOSITORY), Path("/var/lib/vmsnap-tui")
        )
        self.fleet = (ConnectionView(vm.connection, Link.UP, vms=(vm,)),)
        self.runs: tuple[RunHandle, ...] = ()
        self.planned: list[Request] = []
        self._vm = vm
        self._jobs = jobs
        self._entries = entries
        self._findings = findings
        self._interrupted = interrupted
        self._history = started
        self._refusal = refusal

    async def open(self, *, glance: bool = False) -> None: ...

    async def close(self) -> None: ...

    async def refresh(self) -> tuple[ConnectionView, ...]:
        return self.fleet

    async def events(self) -> AsyncIterator[EngineEvent]:
        yield FleetChanged(self.fleet)
        if self._jobs:
            yield JobsMoved(self._vm.key, self._jobs)
        await asyncio.Event().wait()

    def points(self, vm: str | None = None) -> tuple[StoredPoint | DamagedEntry, ...]:
        return self._entries

    def find_point(self, point_id: str) -> StoredPoint:
        for stored in fixed.stored_points():
            if stored.point.id == point_id:
                return stored
        raise NotFound("there is no such point", evidence=point_id)

    def last_point(self, vm: Vm) -> StoredPoint | None:
        whole = [e for e in self._entries if isinstance(e, StoredPoint)]
        return whole[-1] if whole else None

    async def verify(
        self,
        point_id: str,
        level: VerifyLevel,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Verification:
        return Verification(level, fixed.NOW_UTC.isoformat(), ok=True)

    async def plan(self, request: Request) -> Plan:
        self.planned.append(request)
        if self._refusal is not None:
            raise self._refusal
        match request:
            case BackupRequest():
                return fixed.backup_plan(request, self._vm)
            case RestoreRequest():
                return fixed.restore_plan(request)
            case RepairRequest():
                return repair_plan(self._vm, request)

    async def ledger(self, vm: str) -> Ledger:
        if self._refusal is not None:
            raise self._refusal
        return ledger_of(self._vm, kept() if self._entries else None)

    def commands(self, plan: Plan) -> tuple[tuple[str, ...], ...]:
        backend = cast(Backend, _StillBackend())
        return tuple(commands_of(step, plan, backend, self._vm) for step in plan.steps)

    def start(self, plan: Plan) -> RunHandle:
        handle = still_run(self._history, plan)
        self.runs = (*self.runs, handle)
        return handle

    def recover(self, operation: str) -> RunHandle:
        return self.start(fixed.backup_plan())

    def unfinished(self) -> tuple[Unfinished, ...]:
        return self._interrupted

    def alarms(self, vm: Vm) -> tuple[str, ...]:
        return ()

    async def doctor(self, vm: str | None = None) -> tuple[Finding, ...]:
        return self._findings


class StillApp(VmsnapApp):
    """The application with one screen on top, and a clock that stands."""

    def __init__(self, engine: StillEngine, on_top: Callable[[], Screen[Any]]) -> None:
        super().__init__(cast(Engine, engine), place="lab", clock=_still_clock)
        self.still = engine
        self.observed.fleet = engine.fleet
        self._on_top_first = on_top

    def on_mount(self) -> None:
        super().on_mount()
        self.push_screen(self._on_top_first())


def _still_clock() -> datetime:
    return fixed.NOW_UTC

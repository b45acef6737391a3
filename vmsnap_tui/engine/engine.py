"""All that a front may call: the inventory, plans, runs, points, jobs and recovery.

Plans and runs are imported when the first is made: `list` and the first screen need
none of them, and would wait for them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vmsnap_tui.backends.base import Backend, Link
from vmsnap_tui.engine import doctor
from vmsnap_tui.engine.arms import open_backend
from vmsnap_tui.engine.events import (
    ConnectionView,
    EngineEvent,
    FleetChanged,
    RunEnded,
    RunResult,
)
from vmsnap_tui.engine.fleet import Connection
from vmsnap_tui.engine.journal import Journals, Unfinished
from vmsnap_tui.engine.meters import Meters
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import (
    NoConnection,
    NotFound,
    PlanRefused,
    StepFailed,
    UsageError,
)
from vmsnap_tui.model.vm import Agent, Vm
from vmsnap_tui.plan.requests import (
    BackupRequest,
    RepairRequest,
    Request,
    RestoreRequest,
)
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint

if TYPE_CHECKING:
    from vmsnap_tui.engine.freezing import FreezeReport
    from vmsnap_tui.engine.runs import RunHandle, Runner
    from vmsnap_tui.model.ledger import Ledger
    from vmsnap_tui.model.point import Verification, VerifyLevel
    from vmsnap_tui.plan.backup import Identity
    from vmsnap_tui.plan.levels import Shelf
    from vmsnap_tui.plan.plan import Plan

EVENTS_KEPT = 4096
"""For a listener that does not listen: the oldest go first, memory does not grow."""


class _Listener:
    def __init__(self) -> None:
        self.events: deque[EngineEvent] = deque(maxlen=EVENTS_KEPT)
        self.filled = asyncio.Event()

    def put(self, event: EngineEvent) -> None:
        self.events.append(event)
        self.filled.set()


class Engine:
    """One engine a front. Open it before use; close it at the end.

    `backends` makes the arm for a URI; tests give machines in memory.
    """

    def __init__(
        self,
        settings: Settings,
        backends: Callable[[str], Backend] = open_backend,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.journals = Journals(settings.state_directory)
        self._now = now
        self._backends = backends
        self._connections = [
            Connection(backends(uri), self._publish, self._fleet_changed)
            for uri in settings.connections
        ]
        self._extra: dict[str, Backend] = {}
        self._listeners: list[_Listener] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._meters = Meters()
        self._runs: list[RunHandle] = []

    # Connections and machines

    async def open(self, *, glance: bool = False) -> None:
        """Connect to all at once; one that fails is kept with its reason. With `glance`
        what is known of many machines may come later, to those who listen."""
        connecting = (c.connect(glance=glance) for c in self._connections)
        await asyncio.gather(*connecting)

    async def close(self) -> None:
        """Let go of everything; runs are left as a kill would leave them."""
        for handle in self._runs:
            await handle.abandon()
        for watcher in self._watchers:
            watcher.cancel()
        if self._watchers:
            await asyncio.wait(self._watchers)
        backends = [c.backend for c in self._connections] + list(self._extra.values())
        await asyncio.gather(*(backend.close() for backend in backends))

    @property
    def fleet(self) -> tuple[ConnectionView, ...]:
        return tuple(connection.view for connection in self._connections)

    async def refresh(self) -> tuple[ConnectionView, ...]:
        """Read every machine again now."""
        await asyncio.gather(
            *(c.read() for c in self._connections if c.backend.link is Link.UP)
        )
        return self.fleet

    async def events(self) -> AsyncIterator[EngineEvent]:
        """Everything from now on, the fleet as it is first. The first listener sets
        off the watching of all connections."""
        listener = _Listener()
        self._listeners.append(listener)
        self._watch()
        try:
            yield FleetChanged(self.fleet)
            while True:
                await listener.filled.wait()
                listener.filled.clear()
                while listener.events:
                    yield listener.events.popleft()
        finally:
            self._listeners.remove(listener)

    def find_vm(self, name: str) -> Vm:
        """By name, UUID, key, or CONNECTION/NAME.

        Raises NotFound, UsageError where a name fits several machines, NoConnection
        where the machine may be behind a connection that is down.
        """
        vms = [vm for view in self.fleet for vm in view.vms if _is_named(vm, name)]
        if len(vms) > 1:
            raise UsageError(
                f"{name} is the name of {len(vms)} machines",
                remedy="say CONNECTION/NAME or a UUID",
                evidence=", ".join(vm.connection for vm in vms),
            )
        if vms:
            return vms[0]
        down = [view for view in self.fleet if view.link is not Link.UP]
        if down:
            raise NoConnection(
                f"there is no {name}, but not every connection is up",
                evidence="; ".join(view.reason for view in down),
            )
        have = ", ".join(vm.name for view in self.fleet for vm in view.vms) or "none"
        raise NotFound(f"there is no machine {name}", evidence=f"there is {have}")

    # Points

    @property
    def repository(self) -> Repository | None:
        """The repository, None where there is none yet. Raises PlanRefused where
        something else stands there."""
        path = self.settings.repository
        if path is None:
            return None
        with suppress(NotFound):
            return Repository.open(path)
        return None

    def points(self, vm: str | None = None) -> tuple[StoredPoint | DamagedEntry, ...]:
        repository = self.repository
        return repository.listing(vm) if repository else ()

    def find_point(self, point_id: str) -> StoredPoint:
        return self._require_repository().find(point_id)

    def last_point(self, vm: Vm) -> StoredPoint | None:
        """The machine's newest whole point."""
        stored = [p for p in self.points(vm.key) if isinstance(p, StoredPoint)]
        return stored[-1] if stored else None

    async def verify(
        self,
        point_id: str,
        level: VerifyLevel,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Verification:
        """Check a point and write down beside it what was found."""
        from vmsnap_tui.images.checker import StoredImageChecker
        from vmsnap_tui.repository.verify import verify

        repository = self._require_repository()
        stored = await asyncio.to_thread(repository.find, point_id)
        with repository.lock(shared=True, operation=f"verify {stored.point.id}"):
            found = await verify(
                repository,
                stored,
                level,
                progress or (lambda done, total, what: None),
                StoredImageChecker(),
            )
            repository.record_verification(stored, found)
        return found

    # Plans and runs

    async def plan(self, request: Request) -> Plan:
        """What the request would do now. Raises PlanRefused, NotFound, NoConnection."""
        return await self._plan(request, self._identity(secrets.token_hex(6)))

    async def _plan(self, request: Request, identity: Identity) -> Plan:
        from vmsnap_tui.engine.ledgers import make_repair

        match request:
            case BackupRequest():
                return await self._plan_backup(request, identity)
            case RestoreRequest():
                return await asyncio.to_thread(
                    self._plan_restore, request, identity.operation
                )
            case RepairRequest():
                return await make_repair(self, request, identity)

    def commands(self, plan: Plan) -> tuple[tuple[str, ...], ...]:
        """For each step the exact commands that it sends, to read or to copy."""
        from vmsnap_tui.engine import wires

        backend = next(
            (c.backend for c in self._connections if c.view.uri == plan.connection),
            None,
        )
        vm = self.find_vm(plan.vm) if plan.vm else None
        return tuple(wires.commands_of(step, plan, backend, vm) for step in plan.steps)

    def start(self, plan: Plan) -> RunHandle:
        """Run the plan in the background of this process."""
        from vmsnap_tui.engine.runs import RunHandle

        return self._launch(RunHandle(plan), self._runner.run)

    def recover(self, operation: str) -> RunHandle:
        """Finish or take back an interrupted operation. Raises NotFound."""
        from vmsnap_tui.engine.runs import RunHandle

        for header, _, _ in self.journals.unended():
            if header.plan.operation == operation:
                handle = RunHandle(header.plan, resumed=True)
                return self._launch(handle, self._runner.recover)
        raise NotFound(f"there is no unfinished operation {operation}")

    @property
    def runs(self) -> tuple[RunHandle, ...]:
        return tuple(self._runs)

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Operations that a killed or lost process left, oldest first."""
        mine = {handle.operation for handle in self._runs if not handle.done}
        return tuple(
            doctor.unfinished_of(header, records, alive)
            for header, records, alive in self.journals.unended()
            if header.plan.operation not in mine
        )

    # Jobs, the agent, health

    async def set_job_speed(self, vm: str, job: str, bytes_per_s: int) -> None:
        await self._arm(vm).set_job_speed(vm, job, bytes_per_s)

    async def pause_job(self, vm: str, job: str) -> None:
        await self._arm(vm).pause_job(vm, job)

    async def resume_job(self, vm: str, job: str) -> None:
        await self._arm(vm).resume_job(vm, job)

    async def cancel_job(self, vm: str, job: str) -> None:
        await self._arm(vm).cancel_job(vm, job)

    async def freeze(self, vm: Vm, seconds: float) -> FreezeReport:
        """Freeze the guest and return when it was thawed, `seconds` later."""
        from vmsnap_tui.engine.freezing import FreezeGuard

        agent = _agent(vm)
        report = self.journals.guard_report(f"freeze-{secrets.token_hex(6)}")
        guard = FreezeGuard(agent.address, seconds, report)
        await guard.arm()
        try:
            await guard.freeze()
            return await guard.wait_thawed()
        except StepFailed:
            await guard.thaw()
            raise
        finally:
            guard.let_go()

    async def thaw(self, vm: Vm) -> int:
        """Thaw a guest that was found frozen; 0 where it was not."""
        from vmsnap_tui.engine.freezing import thaw_directly

        return await thaw_directly(_agent(vm).address)

    async def ledger(self, vm: str) -> Ledger:
        """Checkpoints, bitmaps and points of a machine held against each other."""
        from vmsnap_tui.engine.ledgers import read_ledger

        return await read_ledger(self, vm)

    async def doctor(self, vm: str | None = None) -> tuple[doctor.Finding, ...]:
        """What is stale, broken or in the way, with the evidence and the remedy."""
        chosen = self.find_vm(vm) if vm else None
        return (await doctor.examine(self, chosen)).findings

    def alarms(self, vm: Vm) -> tuple[str, ...]:
        return doctor.alarms_of(vm, self.unfinished())

    # Inside

    def _publish(self, event: EngineEvent) -> None:
        for listener in self._listeners:
            listener.put(event)
        if isinstance(event, RunEnded):
            self._fleet_changed()

    def _fleet_changed(self) -> None:
        event = FleetChanged(self.fleet)
        for listener in self._listeners:
            listener.put(event)

    def _watch(self) -> None:
        if not self._watchers:
            loop = asyncio.get_running_loop()
            self._watchers = [
                loop.create_task(c.watch(self._meters, self._titles))
                for c in self._connections
            ]

    def _titles(self) -> dict[str, str]:
        titles = {h.plan.operation: h.plan.title for h in self._runs}
        for header, _, _ in self.journals.unended():
            titles[header.plan.operation] = header.plan.title
        return titles

    @cached_property
    def _runner(self) -> Runner:
        from vmsnap_tui.engine.runs import Runner

        return Runner(
            self.journals,
            self._publish,
            self._repository_of,
            self._backend_of,
            self._plan_again,
        )

    def _identity(self, operation: str) -> Identity:
        from vmsnap_tui.plan.backup import Identity

        now = self._now()
        return Identity(operation, Repository.new_point_id(now, operation[:8]))

    def _require_repository(self) -> Repository:
        path = self.settings.repository
        if path is None:
            raise UsageError("no repository is named", remedy="say --repo DIR")
        return Repository.open(path)

    async def _plan_backup(self, request: BackupRequest, identity: Identity) -> Plan:
        from vmsnap_tui.plan.backup import plan_backup

        vm = await self.look(request.vm)
        path = self.settings.repository
        if path is None:
            raise UsageError("no repository is named", remedy="say --repo DIR")
        # A repository may be on a mount that does not answer: the screen still does.
        shelf = await asyncio.to_thread(self._shelf, path, vm)
        plan = plan_backup(vm, request, shelf, identity)
        return replace(plan, warnings=(*self._beforehand(vm), *plan.warnings))

    def _shelf(self, path: Path, vm: Vm) -> Shelf:
        from vmsnap_tui.engine.shelves import empty_shelf, shelf_of

        repository = self.repository
        return shelf_of(repository, vm) if repository else empty_shelf(path, vm)

    def _beforehand(self, vm: Vm) -> Iterator[str]:
        """What running a backup does first, for the operator to know."""
        for left in self.unfinished():
            if left.vm == vm.key and not left.alive:
                yield f"{left.title} {left.operation} was interrupted: it {left.will}"
        if self.repository is None:
            yield f"there is no repository in {self.settings.repository}: one is made"

    async def look(self, name: str, *, inspect: bool = False) -> Vm:
        """The machine as it is now, not as it was last shown; `inspect` also asks QEMU
        itself, which marks a libvirt domain as tainted.

        Raises NotFound, UsageError, NoConnection.
        """
        vm = self.find_vm(name)
        connection = next(c for c in self._connections if c.view.uri == vm.connection)
        return await connection.look(vm.key, inspect=inspect)

    def _plan_restore(self, request: RestoreRequest, operation: str) -> Plan:
        from vmsnap_tui.engine.shelves import ground_of, stored_point
        from vmsnap_tui.plan.restore import plan_restore

        repository = self._require_repository()
        stored = stored_point(repository, repository.find(request.point))
        directory = Path(request.directory).expanduser().absolute()
        return plan_restore(stored, request, ground_of(directory), operation)

    async def _plan_again(self, plan: Plan) -> Plan:
        """The same request under the same names, on the world as it is now."""
        from vmsnap_tui.plan.backup import Identity

        return await self._plan(plan.request, Identity(plan.operation, plan.point))

    def _repository_of(self, plan: Plan, begins: bool) -> Repository:
        """The plan's repository; a backup that begins makes the one it needs. One
        that is resumed does not: an unmounted target is no empty repository."""
        create = begins and isinstance(plan.request, BackupRequest)
        return Repository.open(Path(plan.repository), create=create)

    async def _backend_of(self, plan: Plan) -> Backend | None:
        """The arm to the plan's machine, opened if it was not; one that cannot be
        opened is given all the same: the executor finds out what that means."""
        if not plan.vm:
            return None
        for connection in self._connections:
            if connection.view.uri == plan.connection:
                return connection.backend
        for connection in self._connections:
            if any(vm.key == plan.vm for vm in connection.view.vms):
                # the same machine under another URI: its monitor takes no second client
                return connection.backend
        backend = self._extra.get(plan.connection)
        if backend is None:
            backend = self._backends(plan.connection)
            self._extra[plan.connection] = backend
            with suppress(NoConnection):
                await backend.open()
                await backend.read()
        return backend

    def _arm(self, vm: str) -> Backend:
        uri = self.find_vm(vm).connection
        return next(c.backend for c in self._connections if c.view.uri == uri)

    def _launch(
        self,
        handle: RunHandle,
        work: Callable[[RunHandle], Awaitable[RunResult]],
    ) -> RunHandle:
        self._runs.append(handle)
        handle.launch(work)
        return handle


def _is_named(vm: Vm, name: str) -> bool:
    return name in (vm.name, vm.uuid, vm.key, f"{vm.connection}/{vm.name}")


def _agent(vm: Vm) -> Agent:
    if vm.agent is None:
        raise PlanRefused(
            f"{vm.name} has no guest agent channel",
            evidence="no virtserialport named org.qemu.guest_agent.0",
            remedy="name its socket in the connection (agent=PATH)",
        )
    return vm.agent

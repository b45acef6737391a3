"""Run plans: locks first, then what an earlier run left, then the walk.

A handle is one run of this process. Ending the process (or closing the engine) leaves
a run as a kill would: its jobs go on in QEMU and its journal stays for `recover`.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.engine.effects import Arms
from vmsnap_tui.engine.events import (
    Outcome,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunResult,
    RunStarted,
    StepEnded,
)
from vmsnap_tui.engine.executor import Executor
from vmsnap_tui.engine.freezing import read_report
from vmsnap_tui.engine.journal import Journal, Journals, utc_now
from vmsnap_tui.engine.machine import Direction, Mark, Record
from vmsnap_tui.engine.results import OUTCOMES, result_of
from vmsnap_tui.errors import PlanRefused, VmsnapError
from vmsnap_tui.model.point import (
    Consistency,
    DiskLevel,
    Verification,
    VerifyLevel,
)
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.plan import DiskPlan, Plan
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.repository import locks
from vmsnap_tui.repository.atomic import make_private_dir
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import StoredPoint


class RunHandle:
    """One run: its plan, what happens in it, and how it ends."""

    def __init__(self, plan: Plan, *, resumed: bool = False) -> None:
        self.plan = plan
        self.operation = plan.operation
        self.resumed = resumed
        self.cancelled = asyncio.Event()
        self.history: list[RunEvent] = []
        """All but progress: a copy of hours moves twice a second, and of that only the
        last is of use to anybody."""
        self._progress: dict[str, RunProgressed] = {}
        self._version = 0
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[RunResult] | None = None

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    async def events(self) -> AsyncIterator[RunEvent]:
        """Everything from the run's beginning on, until it has ended; of the progress
        in a step that runs, what is new."""
        seen, told = 0, dict[str, RunProgressed]()
        while True:
            version = self._version
            while seen < len(self.history):
                seen += 1
                yield self.history[seen - 1]
            for target, event in list(self._progress.items()):
                if told.get(target) is not event:
                    told[target] = event
                    yield event
            if self.done and seen == len(self.history):
                return
            async with self._moved:
                if version == self._version and not self.done:
                    await self._moved.wait()

    async def result(self) -> RunResult:
        """Raises Locked, PlanRefused, NoConnection… where the run never began."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """Take the run back in order; once it has committed, it is finished instead."""
        self.cancelled.set()

    def launch(self, work: Callable[["RunHandle"], Awaitable[RunResult]]) -> None:
        async def guarded() -> RunResult:
            try:
                return await work(self)
            finally:
                asyncio.get_running_loop().call_soon(self._wake)

        self._task = asyncio.get_running_loop().create_task(guarded())
        # A failure is the caller's, through `result`; unasked for it is no noise.
        self._task.add_done_callback(lambda t: t.cancelled() or t.exception())

    async def abandon(self) -> None:
        """Stop here and now, as if the process had been killed."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def emit(self, event: RunEvent) -> None:
        self._version += 1
        if isinstance(event, RunProgressed):
            self._progress[event.target] = event
        else:
            self.history.append(event)
        if isinstance(event, StepEnded):
            self._progress.clear()
        self._wake()

    def _wake(self) -> None:
        async def wake() -> None:
            async with self._moved:
                self._moved.notify_all()

        self._waking = asyncio.get_running_loop().create_task(wake())


class Runner:
    """Walks plans for an engine; `publish` hears every event of every run."""

    def __init__(
        self,
        journals: Journals,
        publish: Callable[[RunEvent], None],
        repository: Callable[[Plan, bool], Repository],
        backend: Callable[[Plan], Awaitable[Backend | None]],
        replan: Callable[[Plan], Awaitable[Plan]],
    ) -> None:
        self.journals = journals
        self._publish = publish
        self._repository = repository
        self._backend = backend
        self._replan = replan

    async def run(self, handle: RunHandle) -> RunResult:
        """A plan from its beginning. Raises Locked or PlanRefused, nothing changed."""
        repository = self._repository(handle.plan, True)
        with self._locked(handle.plan, repository):
            settled = bool(handle.plan.vm) and await self._settle_earlier(handle)
            plan = await self._replan(handle.plan)
            _check_still_fits(handle.plan, plan, settled=settled)
            handle.plan = plan
            journal = self._new_journal(plan)
            try:
                return await self._walk(handle, journal, repository)
            finally:
                journal.close()

    def _new_journal(self, plan: Plan) -> Journal:
        """Raises PlanRefused: what cannot be written down is not begun."""
        try:
            return self.journals.create(plan)
        except OSError as error:
            raise _no_state(error) from error

    async def recover(self, handle: RunHandle) -> RunResult:
        """An interrupted run, from where its journal is."""
        repository = self._repository(handle.plan, False)
        with self._locked(handle.plan, repository):
            return await self._resume(handle, repository)

    async def _resume(self, handle: RunHandle, repository: Repository) -> RunResult:
        journal = self.journals.open(handle.operation)
        try:
            _unstick(journal)
            return await self._walk(handle, journal, repository)
        finally:
            journal.close()

    async def _settle_earlier(self, handle: RunHandle) -> bool:
        """Finish or undo what an earlier run of this machine left; whether there was
        anything. Raises PlanRefused when that cannot be done now.
        """
        settled = False
        for header, _, alive in list(self.journals.unended()):
            if header.plan.vm != handle.plan.vm or alive:
                continue
            earlier = RunHandle(header.plan, resumed=True)
            result = await self._resume(earlier, self._repository(header.plan, False))
            handle.history.extend(earlier.history)
            if result.outcome in (Outcome.UNKNOWN, Outcome.STUCK):
                raise PlanRefused(
                    f"operation {header.plan.operation}, which was interrupted, is in"
                    " the way",
                    evidence=result.error,
                    remedy=f"run `vmsnap-tui recover {header.plan.operation}`",
                )
            settled = True
        return settled

    @contextmanager
    def _locked(self, plan: Plan, repository: Repository) -> Iterator[None]:
        with ExitStack() as stack:
            if plan.vm:
                stack.enter_context(self._vm_lock(plan))
                name = _vm_directory(plan, repository)
                stack.enter_context(repository.lock_vm(name, plan.title))
            stack.enter_context(repository.lock(shared=True, operation=plan.title))
            yield

    @contextmanager
    def _vm_lock(self, plan: Plan) -> Iterator[None]:
        """One operation a machine on this host, whatever repository it writes to."""
        directory = self.journals.directory.parent / "locks"
        path = directory / f"{_lock_name(plan)}.lock"
        try:
            self.journals.make_directory()
            make_private_dir(directory)
            descriptor = locks.take(path, shared=False, operation=plan.title)
        except OSError as error:
            raise _no_state(error) from error
        try:
            yield
        finally:
            os.close(descriptor)

    async def _walk(
        self, handle: RunHandle, journal: Journal, repository: Repository
    ) -> RunResult:
        plan, started_s = journal.plan, time.monotonic()
        report_path = self.journals.guard_report(plan.operation)

        def emit(event: RunEvent) -> None:
            handle.emit(event)
            self._publish(event)

        emit(RunStarted(plan.operation, plan, handle.resumed))
        arms = Arms(repository, await self._backend(plan), report_path)
        executor = Executor(
            journal, arms, emit, handle.cancelled, resumed=handle.resumed
        )
        outcome, error = Outcome.UNKNOWN, ""
        try:
            outcome = OUTCOMES[await executor.run()]
        except (VmsnapError, OSError) as lost:
            error = str(lost)
        finally:
            executor.effects.let_go()
        if outcome in (Outcome.DONE, Outcome.UNDONE):
            journal.end(outcome.value)
            self.journals.drop_old(time.time())
        result = result_of(
            plan,
            journal.records(),
            outcome,
            elapsed_s=time.monotonic() - started_s,
            report=read_report(report_path),
            error=error,
            interrupted=handle.cancelled.is_set(),
            journal=str(journal.path),
        )
        result = _with_manifest(result, repository)
        emit(RunEnded(plan.operation, result))
        return result


def _no_state(error: OSError) -> PlanRefused:
    return PlanRefused(
        "the state directory cannot be written",
        evidence=str(error),
        remedy="make room there, or name another one with VMSNAP_STATE_DIR",
    )


def _with_manifest(result: RunResult, repository: Repository) -> RunResult:
    """What the stored manifest says of a point that now exists."""
    if result.outcome is not Outcome.DONE or not result.level:
        return result
    try:
        stored = repository.find(result.point)
        _keep_reading_back(stored, repository)
    except VmsnapError as error:
        return replace(result, warnings=(*result.warnings, str(error)))
    point = stored.point
    window_s = point.freeze_window_s
    if point.consistency is not Consistency.FS_FROZEN:
        window_s = result.freeze_window_s
    return replace(
        result,
        consistency=point.consistency.value,
        freeze_window_s=window_s,
        warnings=(*point.warnings, *result.warnings),
    )


def _keep_reading_back(stored: StoredPoint, repository: Repository) -> None:
    """Sealing checked and read back every file of the point itself: where it stands on
    no other point, that is a verification of all it needs."""
    if any(disk.parent for disk in stored.point.disks):
        return
    found = Verification(VerifyLevel.CHECKSUMS, utc_now(), ok=True)
    repository.record_verification(stored, found)


def _unstick(journal: Journal) -> None:
    """Let an undo that failed be tried again."""
    records = journal.records()
    if not records:
        return
    last = records[-1]
    if last.direction is Direction.BACK and last.mark is Mark.FAILED:
        journal.append(Record(last.index, Direction.BACK, Mark.ABSENT))


def _check_still_fits(approved: Plan, now: Plan, *, settled: bool) -> None:
    """What was approved is what will be done. Raises PlanRefused otherwise.

    Where an earlier operation was `settled` first, a disk may now need less than was
    approved (a point that it finished is built upon), never more.
    """
    if isinstance(now.request, RepairRequest):
        _check_same_repair(approved, now)
        return
    before = [(d.target, d.level, d.before) for d in approved.disks]
    after = [(d.target, d.level, d.before) for d in now.disks]
    kinds = [type(step) for step in approved.steps]
    if before == after and kinds == [type(step) for step in now.steps]:
        return
    changed = sorted({d.target for d in now.disks if _part(d, before)})
    full = {d.target for d in now.disks if d.level == DiskLevel.FULL}
    approved_full = {d.target for d in approved.disks if d.level == DiskLevel.FULL}
    same_disks = [d.target for d in approved.disks] == [d.target for d in now.disks]
    if settled and same_disks and full <= approved_full:
        return
    reasons = "; ".join(f"{d.target}: {d.level}, {d.reason}" for d in now.disks)
    raise PlanRefused(
        "the machine has changed since this plan was made",
        evidence=f"{', '.join(changed) or 'its disks'}; now {reasons}",
        remedy="make the plan again and read it",
    )


def _check_same_repair(approved: Plan, now: Plan) -> None:
    """Nothing is removed or adopted but what was read and agreed to."""
    if approved.steps != now.steps:
        raise PlanRefused(
            "the ledger has changed since this plan was made",
            evidence="; ".join(now.lines()),
            remedy="make the plan again and read it",
        )


def _part(disk: DiskPlan, before: list[tuple[str, str, tuple[str, ...]]]) -> bool:
    return (disk.target, disk.level, disk.before) not in before


def _vm_directory(plan: Plan, repository: Repository) -> str:
    return repository.vm_directory(
        Vm(
            name=plan.vm_name,
            uuid=plan.vm if "#" not in plan.vm else "",
            connection=plan.connection,
            state=VmState.UNKNOWN,
            status="",
            disks=(),
        )
    ).name


def _lock_name(plan: Plan) -> str:
    return hashlib.sha256(plan.vm.encode("utf-8", "surrogateescape")).hexdigest()[:16]

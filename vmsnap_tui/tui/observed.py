"""What the interface knows at this moment; screens read it, only the app writes it."""

from collections import deque
from dataclasses import dataclass, field
from typing import assert_never

from vmsnap_tui.backends.base import Link, WireHeard
from vmsnap_tui.engine.events import (
    ConnectionView,
    JobView,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import FreezeGuest, Step, ThawGuest
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint

HEARD_EVENTS = 2000
"""Wire events that are kept: an hour of a busy machine, and never more memory."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An operation that an earlier process left unfinished."""

    operation: str
    title: str
    vm_name: str
    started_utc: str
    will: str
    alive: bool
    """Another process that lives holds it: not ours to recover."""
    owner: str


@dataclass(frozen=True, slots=True)
class Records:
    """What was read from disk; `points` by machine key, oldest first."""

    points: dict[str, tuple[StoredPoint, ...]] = field(default_factory=dict)
    damaged: tuple[DamagedEntry, ...] = ()
    alarms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unfinished: tuple[Interrupted, ...] = ()
    problem: str = ""
    """Why the repository could not be read, or nothing."""


@dataclass(slots=True)
class Observed:
    """`opened` is set when every connection has been tried once, `records_read` when
    the records have been read after that."""

    fleet: tuple[ConnectionView, ...] = ()
    jobs: dict[str, tuple[JobView, ...]] = field(default_factory=dict)
    wire: deque[WireHeard] = field(default_factory=lambda: deque(maxlen=HEARD_EVENTS))
    records: Records = Records()
    frozen: dict[str, str] = field(default_factory=dict)
    """By machine key, which operation of this process holds it frozen."""
    opened: bool = False
    records_read: bool = False

    _plans: dict[str, Plan] = field(default_factory=dict)

    def note_run(self, event: RunEvent) -> None:
        """Keep who is frozen by a run of this process, from its steps."""
        match event:
            case RunStarted(operation, plan):
                self._plans[operation] = plan
            case StepStarted(operation, index, undoing):
                step = self._step(operation, index)
                if isinstance(step, FreezeGuest) and not undoing:
                    self.frozen[step.vm] = operation
            case StepEnded(operation, index, undoing):
                step = self._step(operation, index)
                if isinstance(step, ThawGuest) or (
                    isinstance(step, FreezeGuest) and undoing
                ):
                    self.frozen.pop(step.vm, None)
            case RunEnded(operation):
                self._plans.pop(operation, None)
                self.frozen = {k: o for k, o in self.frozen.items() if o != operation}
            case RunProgressed():
                pass
            case _:
                assert_never(event)

    def _step(self, operation: str, index: int) -> Step | None:
        plan = self._plans.get(operation)
        return plan.steps[index] if plan else None

    def vm(self, key: str | None) -> Vm | None:
        return next((vm for c in self.fleet for vm in c.vms if vm.key == key), None)

    def connection(self, uri: str) -> ConnectionView | None:
        return next((c for c in self.fleet if c.uri == uri), None)

    def connection_of(self, key: str) -> ConnectionView | None:
        """The connection that the machine was read from."""
        for connection in self.fleet:
            if any(vm.key == key for vm in connection.vms):
                return connection
        return None

    def last_point(self, key: str) -> StoredPoint | None:
        points = self.records.points.get(key, ())
        return points[-1] if points else None

    def alarms(self, key: str) -> tuple[str, ...]:
        frozen = ("its file systems are frozen",) if key in self.frozen else ()
        return (*frozen, *self.records.alarms.get(key, ()))

    @property
    def all_jobs(self) -> tuple[JobView, ...]:
        """Jobs that are shown: QEMU forgets a job when it is null."""
        return tuple(
            view
            for key in sorted(self.jobs)
            for view in sorted(self.jobs[key], key=lambda view: view.job.target)
            if view.job.status is not JobStatus.NULL
        )

    @property
    def alarm_count(self) -> int:
        """Alarms of machines, frozen guests, and connections that are down."""
        lost = sum(connection.link is Link.DOWN for connection in self.fleet)
        return (
            lost
            + len(self.frozen)
            + sum(len(alarms) for alarms in self.records.alarms.values())
        )

    @property
    def recoverable(self) -> tuple[Interrupted, ...]:
        """Unfinished operations that no living process holds."""
        return tuple(each for each in self.records.unfinished if not each.alive)

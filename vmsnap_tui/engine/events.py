"""What an engine tells those who listen; the CLI prints it, the UI draws it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from vmsnap_tui.backends.base import Link, WireHeard
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection and what was last read from it.

    When the link is down the machines are those of the last good read: shown as
    they were, marked stale, never dropped from the screen.
    """

    uri: str
    link: Link
    reason: str = ""
    vms: tuple[Vm, ...] = ()

    @property
    def stale(self) -> bool:
        return self.link is not Link.UP


@dataclass(frozen=True, slots=True)
class FleetChanged:
    connections: tuple[ConnectionView, ...]


@dataclass(frozen=True, slots=True)
class JobView:
    """One job with what is measured beside it.

    `rate_bytes_per_s` is smoothed, `eta_s` None while nothing moves,
    `idle_s` how long it has not moved, `write_latency_s` the guest's mean write time
    over the last interval on that disk (None without writes), `title` the
    operation's, or the job's kind and id for a foreign one.
    """

    vm: str
    vm_name: str
    job: Job
    title: str
    rate_bytes_per_s: float = 0.0
    eta_s: float | None = None
    idle_s: float = 0.0
    write_latency_s: float | None = None
    rates: tuple[float, ...] = ()
    latencies: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsMoved:
    """All jobs of one machine as they are now; empty when the last one went."""

    vm: str
    jobs: tuple[JobView, ...]


@dataclass(frozen=True, slots=True)
class RunStarted:
    operation: str
    plan: Plan
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class StepStarted:
    operation: str
    index: int
    undoing: bool
    text: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """`error` is empty when the step did what it should."""

    operation: str
    index: int
    undoing: bool
    text: str
    elapsed_s: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunProgressed:
    """Bytes done in the running step (copying, reading back, restoring), by target."""

    operation: str
    index: int
    target: str
    done_bytes: int
    total_bytes: int


class Outcome(StrEnum):
    DONE = "done"
    UNDONE = "failed-and-undone"
    UNKNOWN = "unknown"
    """A step's effect is not known and the machine cannot be asked."""
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class DiskResult:
    target: str
    level: str = ""
    reason: str = ""
    bytes: int = 0
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. `error` is the sentence of what broke it, empty when done."""

    operation: str
    outcome: Outcome
    title: str
    vm_name: str
    point: str = ""
    level: str = ""
    disks: tuple[DiskResult, ...] = ()
    freeze_window_s: float | None = None
    consistency: str = ""
    elapsed_s: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str = ""
    remedy: str = ""
    interrupted: bool = False
    journal: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnded:
    operation: str
    result: RunResult


RunEvent: TypeAlias = RunStarted | StepStarted | StepEnded | RunProgressed | RunEnded
EngineEvent: TypeAlias = FleetChanged | JobsMoved | WireHeard | RunEvent

"""What every arm that reaches a hypervisor promises; one contract suite holds them all.

Reads never endanger a guest: while a job exists or is being started, only calls
that are safe on this QEMU are made (one lock per machine keeps our own readers and
starters apart). Effects raise `StepFailed` when the hypervisor refused them and
`ConnectionLost` when nobody can know; the taking-back verbs succeed when there is
nothing left to take back. No call waits for ever.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Vm


class Link(StrEnum):
    """How a connection is."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The connection came or went; `reason` is for the operator."""

    link: Link
    reason: str


@dataclass(frozen=True, slots=True)
class VmChanged:
    """Something about the machine changed that a fresh `read` would show."""

    vm: str
    """The machine's key, or its name where the key is not known yet."""


@dataclass(frozen=True, slots=True)
class WireHeard:
    """One event as the hypervisor sent it; `at_s` is seconds since the epoch."""

    vm: str
    name: str
    data: dict[str, Any]
    at_s: float


BackendEvent: TypeAlias = LinkChanged | VmChanged | WireHeard


@dataclass(frozen=True, slots=True)
class InstantTaken:
    """What is known of the instant: clocks read just before and after the transaction.

    `monotonic` is CLOCK_MONOTONIC of this host, to be held against the freeze
    guard's; `was_running` is whether the machine ran, so that a guest which this
    backup stops by an I/O error is set going again.
    """

    before_monotonic_s: float
    after_monotonic_s: float
    at_utc: str
    was_running: bool


class Wire(Protocol):
    """The exact commands an effect sends, one JSON document (or XML) a line, unsent."""

    def definition(self, vm: Vm) -> tuple[str, ...]: ...
    def attach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]: ...
    def start_backup(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]: ...
    def finalize_jobs(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]: ...
    def detach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]: ...
    def drop_bitmaps(
        self, vm: Vm, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]: ...
    def freeze(self, vm: Vm) -> tuple[str, ...]: ...
    def thaw(self, vm: Vm) -> tuple[str, ...]: ...
    def adopt_checkpoint(
        self, vm: Vm, name: str, targets: tuple[str, ...]
    ) -> tuple[str, ...]: ...


class Backend(Protocol):
    """One connection. Machines are named by `Vm.key`.

    `uri` is as the operator wrote it. All coroutines may be called from one event
    loop only.
    """

    uri: str
    wire: Wire

    @property
    def link(self) -> Link: ...

    async def open(self) -> None:
        """Connect; raises NoConnection (refused, no greeting, monitor busy)."""
        ...

    async def close(self) -> None:
        """Let go of everything; nothing in the machine changes."""
        ...

    async def read(self) -> tuple[Vm, ...]:
        """Every machine as it is now. Raises NoConnection."""
        ...

    async def glance(self) -> tuple[Vm, ...]:
        """As `read`, for a screen that is open: what is below the active images is
        taken from the last read, so that the node graph is not asked for again and
        again. Of many machines that were never read it may tell name and state alone
        (`Vm.known`), and that they changed once they are read. Never what a plan is
        made from."""
        ...

    async def look(self, vm: str) -> Vm:
        """One machine as it is now, with all that can be read without leaving a mark
        on it: what a plan is made from. Raises NoConnection, NotFound."""
        ...

    async def inspect(self, vm: str) -> Vm:
        """As `look`, and what only QEMU itself can tell: the bitmaps of every image,
        and the graph where it contradicts the definition. On libvirt this marks the
        domain as tainted, so that it is done for a ledger alone."""
        ...

    async def definition(self, vm: str) -> bytes:
        """The machine's definition, as it would have to be given to the hypervisor to
        make the machine again. Only asked for where `Vm.definition` names a file."""
        ...

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        """Make the hypervisor know a checkpoint again whose bitmaps still stand on
        these disks. Raises StepFailed where they do not, or where it keeps none."""
        ...

    def events(self) -> AsyncIterator[BackendEvent]:
        """Events from now on, for one listener; the queue is bounded, the oldest go
        first. Ends when the backend is closed; a lost connection is a `LinkChanged`,
        and the backend goes on trying to come back by itself."""
        ...

    async def jobs(self, vm: str) -> tuple[Job, ...]:
        """The jobs and their progress: cheap and safe at any time."""
        ...

    async def pause_job(self, vm: str, job: str) -> None: ...
    async def resume_job(self, vm: str, job: str) -> None: ...
    async def cancel_job(self, vm: str, job: str) -> None: ...
    async def set_job_speed(self, vm: str, job: str, bytes_per_s: int) -> None: ...

    async def attach_targets(self, vm: str, instant: BackupInstant) -> None:
        """Open every stored image as a node without backing. All or none."""
        ...

    async def detach_targets(self, vm: str, instant: BackupInstant) -> None:
        """Close every target node, which is what makes QEMU write it out.

        Raises StepFailed unless each node was closed by this call or the scratch
        bitmaps still stand, which proves that this very QEMU closed it earlier:
        a node that vanished with a dead QEMU was never flushed.
        """
        ...

    async def drop_targets(self, vm: str, instant: BackupInstant) -> None:
        """Close whatever target nodes there are; their content is given up."""
        ...

    async def start_backup(self, vm: str, instant: BackupInstant) -> InstantTaken:
        """One transaction for all disks: bitmaps, scratch bitmaps and jobs."""
        ...

    async def backup_started(self, vm: str, instant: BackupInstant) -> bool:
        """Whether the transaction took effect in this very run of the machine."""
        ...

    async def await_jobs(
        self,
        vm: str,
        instant: BackupInstant,
        progress: Callable[[tuple[Job, ...]], None],
    ) -> None:
        """Until every job has copied all and waits to be finalized.

        Raises StepFailed as soon as one failed, was cancelled or is gone, or when
        the guest was paused by an I/O error meanwhile.
        """
        ...

    async def finalize_jobs(self, vm: str, instant: BackupInstant) -> None:
        """Finalize all, see each conclude without error, then dismiss them.

        May be repeated. Raises StepFailed with QEMU's text when one failed.
        """
        ...

    async def abort_backup(
        self, vm: str, instant: BackupInstant, *, was_running: bool
    ) -> None:
        """Take `start_backup` back: cancel and dismiss the jobs, remove the new and
        the scratch bitmaps, then, if the machine ran before and QEMU has paused it
        for an I/O error, set it going again. The old bitmaps were never touched."""
        ...

    async def drop_bitmaps(
        self, vm: str, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        """Remove `(node, bitmap)` pairs; one that is gone already is fine.

        Returns a sentence for each that could not be removed (an image that is
        read-only in this run): harmless, as no point refers to it.
        """
        ...

    async def is_gone(self, vm: str) -> bool:
        """Whether the machine's process is known to have ended, and with it every
        job, node and unsaved bitmap. False when it cannot be told."""
        ...

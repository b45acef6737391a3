"""A machine as it was read at one instant."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import Job

NO_UUID = "00000000-0000-0000-0000-000000000000"


class VmState(StrEnum):
    """What the machine does, for the operator; `Vm.status` keeps QEMU's own word."""

    RUNNING = "running"
    PAUSED = "paused"
    IO_ERROR = "io-error"
    """Paused by QEMU because a write or read failed."""
    OFF = "off"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Agent:
    """The guest agent's channel: a unix socket that serves one client at a time.

    `answers` is whether the guest has the channel open (QAPI
    `ChardevInfo.frontend-open`), None where that is not known.
    """

    socket: str
    answers: bool | None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this QEMU can do, from its schema, not from its version."""

    qemu_version: tuple[int, int, int]
    backup_on_cbw_error: bool = False
    graph_safe_during_jobs: bool = False
    """QEMU 10 and later: the node graph may be read while a job runs."""

    @property
    def version_text(self) -> str:
        return ".".join(str(part) for part in self.qemu_version)


@dataclass(frozen=True, slots=True)
class Vm:
    """One machine; equal in everything to what was read, and never updated in place."""

    name: str
    uuid: str
    connection: str
    """The URI of the connection it was read from."""
    state: VmState
    status: str
    disks: tuple[Disk, ...]
    jobs: tuple[Job, ...] = ()
    agent: Agent | None = None
    capabilities: Capabilities = Capabilities((0, 0, 0))

    @property
    def key(self) -> str:
        """Who the machine is, over restarts: its UUID, else its name and connection."""
        if self.uuid and self.uuid != NO_UUID:
            return self.uuid
        return f"{self.connection.split('?', 1)[0]}#{self.name}"

    @property
    def directory_name(self) -> str:
        """A directory name that no machine's name can escape from: slug and hash."""
        lowered = self.name.lower()
        slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in lowered)
        slug = "-".join(part for part in slug.split("-") if part)[:40] or "vm"
        digest = hashlib.sha256(self.key.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{slug}-{digest[:12]}"

    def disk(self, target: str) -> Disk | None:
        return next((d for d in self.disks if d.target == target), None)

    def job(self, job_id: str) -> Job | None:
        return next((j for j in self.jobs if j.id == job_id), None)

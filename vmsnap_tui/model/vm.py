"""A machine as it was read at one instant."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from vmsnap_tui.model.checkpoint import Checkpoint
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.snapshot import Snapshot

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
    """The guest agent's channel.

    `address` is where it is reached: the path of a unix socket, which serves one
    client at a time, or `libvirt:UUID@URI` where libvirt holds it. `answers` is
    whether the guest has the channel open (QAPI `ChardevInfo.frontend-open`), None
    where that is not known.
    """

    address: str
    answers: bool | None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this QEMU can do, from its schema, not from its version.

    `libvirt_version` is the daemon's that owns it, None where none does.
    """

    qemu_version: tuple[int, int, int]
    backup_on_cbw_error: bool = False
    graph_safe_during_jobs: bool = False
    """QEMU 10 and later: the node graph may be read while a job runs."""
    libvirt_version: tuple[int, int, int] | None = None

    @property
    def version_text(self) -> str:
        return ".".join(str(part) for part in self.qemu_version)

    @property
    def label(self) -> str:
        """The versions as a screen shows them; unknown ones (0.0.0) are left out."""
        parts = []
        if self.libvirt_version is not None:
            parts.append("libvirt " + ".".join(map(str, self.libvirt_version)))
        if any(self.qemu_version):
            parts.append(f"QEMU {self.version_text}")
        return "  ·  ".join(parts)


@dataclass(frozen=True, slots=True)
class Vm:
    """One machine; equal in everything to what was read, and never updated in place.

    `checkpoints` and `snapshots` are the hypervisor's own metadata, None where it keeps
    none. `known` is False while nothing but name and state was read, as of a thousand
    machines at once. `limits` say what cannot be done here, and why.
    """

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
    checkpoints: tuple[Checkpoint, ...] | None = None
    snapshots: tuple[Snapshot, ...] | None = None
    limits: tuple[Limit, ...] = ()
    known: bool = True
    definition: str = ""
    """The file name under which a point keeps the machine's definition; empty where
    the hypervisor keeps none."""

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

    def limit(self, ability: Ability) -> Limit | None:
        """Why it cannot be done here, or None; warnings do not count."""
        return next(
            (x for x in self.limits if x.ability is ability and not x.warns), None
        )

    def cautions(self, ability: Ability) -> tuple[Limit, ...]:
        """What to know before it is done here all the same."""
        return tuple(x for x in self.limits if x.ability is ability and x.warns)

    def checkpoint(self, name: str) -> Checkpoint | None:
        return next((c for c in self.checkpoints or () if c.name == name), None)

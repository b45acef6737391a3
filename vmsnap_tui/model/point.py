"""A restore point: one stored backup of a machine at one instant."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class DiskLevel(StrEnum):
    FULL = "full"
    INCREMENTAL = "incremental"
    """Since the disk's previous point."""


class Consistency(StrEnum):
    CRASH = "crash-consistent"
    """As after a power cut: what the guest had flushed."""
    FS_FROZEN = "fs-frozen"
    """The guest's file systems were frozen at the instant, proved by its agent."""
    VM_PAUSED = "vm-paused"
    OFFLINE = "offline"


class VerifyLevel(IntEnum):
    """How far a point was checked; each level holds those below it."""

    LISTED = 0
    STRUCTURE = 1
    CHECKSUMS = 2


@dataclass(frozen=True, slots=True)
class Parent:
    """What an increment stands on; the digest names the very file, not its name."""

    point: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredDisk:
    """One disk of a point. `bytes` is the stored file's length."""

    target: str
    file: str
    level: DiskLevel
    reason: str
    parent: Parent | None
    virtual_bytes: int
    bytes: int
    sha256: str
    bitmap: str
    """The bitmap that has recorded every write since this point's instant."""
    source_path: str
    """The image that was active at the instant: the bitmap stands in it and in
    every image above it, or is not trusted."""
    source_format: str


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """The machine's own definition at about the instant, as its hypervisor gave it:
    what a restored disk is attached to. It may hold passwords (of a display)."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExcludedDisk:
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """One check of a point: `ok` at `level`, or what was found instead."""

    level: VerifyLevel
    at_utc: str
    ok: bool
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A point that exists: its manifest was found whole.

    Order is by `seq`, never by a clock. Times are ISO 8601 in UTC with
    milliseconds. `freeze_window_s` is from freeze sent to thaw answered, or None.
    """

    id: str
    vm_name: str
    vm_uuid: str
    vm_key: str
    seq: int
    created_utc: str
    consistency: Consistency
    freeze_window_s: float | None
    disks: tuple[StoredDisk, ...]
    excluded: tuple[ExcludedDisk, ...] = ()
    warnings: tuple[str, ...] = ()
    qemu_version: str = ""
    tool_version: str = ""
    definition: StoredDefinition | None = None
    """None where the hypervisor keeps none."""

    @property
    def stored_bytes(self) -> int:
        return sum(disk.bytes for disk in self.disks)

    def disk(self, target: str) -> StoredDisk | None:
        return next((d for d in self.disks if d.target == target), None)

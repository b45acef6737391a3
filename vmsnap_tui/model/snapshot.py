"""A snapshot as its hypervisor's metadata tells it, which the chains may contradict."""

from dataclasses import dataclass
from enum import StrEnum


class SnapshotKind(StrEnum):
    EXTERNAL = "external"
    """A new overlay took the writes from then on."""
    INTERNAL = "internal"
    """Inside the qcow2 image."""
    NONE = "no"
    """The disk took no part."""


@dataclass(frozen=True, slots=True)
class SnapshotDisk:
    """`file` is the overlay of an external snapshot, else empty."""

    target: str
    kind: SnapshotKind
    file: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """libvirt `domainsnapshot`; `state` is the machine's at that instant.

    `memory` is whether the guest's memory was stored along.
    """

    name: str
    created_utc: str
    state: str
    disks: tuple[SnapshotDisk, ...]
    parent: str = ""
    description: str = ""
    memory: bool = False
    current: bool = False

    @property
    def kinds(self) -> frozenset[SnapshotKind]:
        return frozenset(disk.kind for disk in self.disks) - {SnapshotKind.NONE}

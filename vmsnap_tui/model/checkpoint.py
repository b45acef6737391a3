"""A checkpoint: an instant since which changes are tracked, as its hypervisor keeps it.

libvirt keeps a checkpoint as metadata beside the images, and one bitmap of the same
name in each disk's image. The two can drift apart; the ledger holds them against
each other.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """What a hypervisor vouches for: every write to one disk since one checkpoint.

    `dirty_bytes` counts over the whole chain. `broken` says why it is no full record,
    or why that cannot be told now; it is empty where every write is recorded.
    """

    name: str
    dirty_bytes: int = 0
    broken: str = ""
    asked: bool = True
    """Whether the hypervisor was asked at all: False means `broken` says why not."""
    watched: bool = True
    """Whether one run of the machine saw all of it. Of a machine that is off anybody
    may merge an image away together with its bitmaps, and the chain looks whole."""

    @property
    def whole(self) -> bool:
        return not self.broken


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Metadata of one checkpoint (libvirt `domaincheckpoint`).

    `disks` are the targets that it tracks. `description` is whatever its maker wrote.
    """

    name: str
    created_utc: str
    disks: tuple[str, ...]
    parent: str = ""
    description: str = ""
    current: bool = False

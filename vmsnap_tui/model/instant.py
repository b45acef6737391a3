"""What a backup does inside the machine, as a value that both plan and backend read."""

from dataclasses import dataclass

from vmsnap_tui.model.job import job_id
from vmsnap_tui.model.point import DiskLevel

GRANULARITY_BYTES = 65536
"""QEMU's largest default, and the cluster of a target: a finer bitmap would not
make an increment smaller, a coarser one would."""


@dataclass(frozen=True, slots=True)
class RecordedIn:
    """A bitmap in one image of the chain; increments merge one per image."""

    node: str
    bitmap: str


@dataclass(frozen=True, slots=True)
class DiskInstant:
    """One disk's part of the instant.

    `file` is the absolute path of the stored image that takes the data; `merge`
    is empty for a full. `bitmap` starts recording at the instant, and is empty where
    changes cannot be recorded; `scratch_bitmap` holds what the job copies. It is never
    persistent, so its presence also proves that QEMU has not been restarted since the
    instant.
    """

    target: str
    file: str
    target_node: str
    level: DiskLevel
    bitmap: str
    persistent: bool
    scratch_bitmap: str
    merge: tuple[RecordedIn, ...]
    root: str = ""
    """The node that took the writes when the plan was made; empty where nobody said:
    the manifest and the clearing up name the image behind it."""


@dataclass(frozen=True, slots=True)
class BackupInstant:
    """All disks at one instant, or none of them."""

    operation: str
    disks: tuple[DiskInstant, ...]
    speed_bytes_per_s: int = 0
    compress: bool = False

    def job_id(self, disk: DiskInstant) -> str:
        return job_id(self.operation, disk.target)

    @property
    def job_ids(self) -> tuple[str, ...]:
        return tuple(self.job_id(disk) for disk in self.disks)

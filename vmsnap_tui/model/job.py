"""Block jobs, in QEMU's own words."""

from dataclasses import dataclass
from enum import StrEnum


class JobStatus(StrEnum):
    """QAPI `JobStatus`."""

    UNDEFINED = "undefined"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    READY = "ready"
    STANDBY = "standby"
    WAITING = "waiting"
    PENDING = "pending"
    ABORTING = "aborting"
    CONCLUDED = "concluded"
    NULL = "null"


JOB_PREFIX = "vmsnap-"


@dataclass(frozen=True, slots=True)
class Job:
    """One job of QEMU's: `done_bytes` of `total_bytes`, which may grow.

    `kind` is QEMU's type (backup, commit, stream, mirror, …). `speed_bytes_per_s`
    is the limit, 0 for none. `io_status` is ok, failed or nospace.
    """

    id: str
    kind: str
    status: JobStatus
    done_bytes: int
    total_bytes: int
    error: str = ""
    speed_bytes_per_s: int = 0
    io_status: str = "ok"
    target: str = ""
    """The disk that the job reads, where that is known."""

    @property
    def done_ratio(self) -> float:
        if self.total_bytes <= 0:
            return 1.0 if self.status in _OVER else 0.0
        return min(self.done_bytes / self.total_bytes, 1.0)

    @property
    def operation(self) -> str | None:
        """The id of our operation that made it, or None for a foreign job."""
        if not self.id.startswith(JOB_PREFIX):
            return None
        return self.id.removeprefix(JOB_PREFIX).split("-", 1)[0]


_OVER = frozenset({JobStatus.PENDING, JobStatus.CONCLUDED, JobStatus.NULL})


def job_id(operation: str, target: str) -> str:
    """The explicit id of an operation's job on one disk.

    QEMU wants `[A-Za-z][A-Za-z0-9._-]*`; what else a target holds becomes `_`.
    """
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in target
    )
    return f"{JOB_PREFIX}{operation}-{safe}"

"""What QEMU's errors mean to the operator; the texts are those of 7.2 to 11.1."""

from vmsnap_tui.backends.qmp.session import CommandRefused
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.instant import DiskInstant
from vmsnap_tui.model.job import Job

_GONE = (
    "Failed to find node with node-name",
    "Cannot find device",
    "not found",
)


def gone(error: CommandRefused) -> bool:
    """Whether the node or bitmap that was to go is not there: QEMU has one error class
    for nearly everything, so its text decides."""
    return any(text in error.description for text in _GONE)


def job_failure(disk: DiskInstant, job: Job) -> StepFailed:
    """The job's own text lives in `query-jobs` only; no event carries it."""
    text = job.error or f"status {job.status}, I/O status {job.io_status}"
    evidence = f"job {job.id}: {text}"
    if "No space left" in text or job.io_status == "nospace":
        return StepFailed(
            f"no space left for the backup of {disk.target}",
            evidence=f"{disk.file}: {evidence}",
            remedy="make room in the repository, or prune old points",
        )
    return StepFailed(
        f"the backup of {disk.target} failed",
        evidence=evidence,
        remedy="see the machine's log and the repository's storage, then back up again",
    )


def not_written_out(disk: DiskInstant, error: CommandRefused) -> StepFailed:
    return StepFailed(
        f"the stored image of {disk.target} could not be written out",
        evidence=f"{disk.file}: {error.description}",
        remedy="make room in the repository, see its storage, then back up again",
    )


def stopped_by_io_error() -> StepFailed:
    return StepFailed(
        "the guest was paused by an I/O error",
        evidence="status io-error",
        remedy="see the storage of the machine's disks and of the repository",
    )

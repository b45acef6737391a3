"""From what libvirt tells of a domain's jobs to the jobs themselves; no I/O.

libvirt tells a backup twice, as the domain's one job (`virDomainGetJobStats`) and as a
block job of each disk; every other block job once, by its disk.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vmsnap_tui.backends.libvirt.backup_xml import BackupXml
from vmsnap_tui.model.job import Job, JobStatus, job_id

BACKUP = "backup"
_BACKUP_OPERATION = 9
_KINDS = ("", "stream", "mirror", "commit", "commit", BACKUP)
"""QEMU's word for each virDomainBlockJobType; an active commit is a commit to it."""
_OPERATIONS = (
    "job",
    "start",
    "save",
    "restore",
    "migration in",
    "migration",
    "snapshot",
    "snapshot revert",
    "dump",
    BACKUP,
    "snapshot delete",
)
"""By virDomainJobOperation: what occupies the whole domain is no job of QEMU's."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What was asked at one instant.

    `stats` are of the domain's job, empty without one; `starting` is whether a backup
    is on its way in, when libvirt has nothing to tell of it yet. `operation` is ours
    that made the backup, None for a foreign one.
    """

    stats: Mapping[str, Any]
    starting: bool = False
    block: Mapping[str, Mapping[str, int]] | None = None
    backup: BackupXml | None = None
    operation: str | None = None

    @property
    def any(self) -> bool:
        return bool(self.starting or self.stats.get("type") or self.block)


def jobs(
    facts: JobFacts, ready: Collection[str], sizes: Mapping[str, int]
) -> tuple[Job, ...]:
    """Every job; `ready` are the disks whose job waits for its pivot, `sizes` the
    virtual bytes of disks, for a part of a backup that is over before the others."""
    block = facts.block or {}
    found = [
        _block_job(target, info, facts, target in ready)
        for target, info in block.items()
    ]
    domain_job = facts.stats.get("type", 0)
    operation = facts.stats.get("operation", 0)
    if facts.starting or (domain_job and operation == _BACKUP_OPERATION):
        found += _backup_rest(facts, block, sizes)
    elif domain_job:
        found.append(_domain_job(facts.stats, operation))
    return tuple(found)


def _block_job(
    target: str, info: Mapping[str, int], facts: JobFacts, ready: bool
) -> Job:
    number = info.get("type", 0)
    kind = _KINDS[number] if 0 < number < len(_KINDS) else f"type {number}"
    return Job(
        id=_id(kind, target, facts.operation),
        kind=kind,
        status=JobStatus.READY if ready else JobStatus.RUNNING,
        done_bytes=info.get("cur", 0),
        total_bytes=info.get("end", 0),
        speed_bytes_per_s=info.get("bandwidth", 0),
        target=target,
    )


def _backup_rest(
    facts: JobFacts, block: Mapping[str, object], sizes: Mapping[str, int]
) -> list[Job]:
    """The disks of a backup without a block job: all of them before it has started,
    and afterwards those that are done and wait for the others."""
    disks = facts.backup.disks if facts.backup else ()
    if facts.starting and not disks:
        created = JobStatus.CREATED
        return [Job(f"libvirt-{BACKUP}", BACKUP, created, 0, 0)]
    status = JobStatus.PENDING if block else JobStatus.CREATED
    rest = [disk.target for disk in disks if disk.target not in block]
    return [
        Job(
            id=_id(BACKUP, target, facts.operation),
            kind=BACKUP,
            status=status,
            done_bytes=sizes.get(target, 0) if block else 0,
            total_bytes=sizes.get(target, 0),
            target=target,
        )
        for target in rest
    ]


def _domain_job(stats: Mapping[str, Any], operation: int) -> Job:
    known = 0 <= operation < len(_OPERATIONS)
    kind = _OPERATIONS[operation] if known else f"operation {operation}"
    return Job(
        id=f"libvirt-{kind.replace(' ', '-')}",
        kind=kind,
        status=JobStatus.RUNNING,
        done_bytes=int(stats.get("data_processed", 0)),
        total_bytes=int(stats.get("data_total", 0)),
    )


def _id(kind: str, target: str, operation: str | None) -> str:
    if kind == BACKUP and operation is not None:
        return job_id(operation, target)
    return f"libvirt-{kind}-{target}"

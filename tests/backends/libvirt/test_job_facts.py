"""What libvirt tells of jobs becomes jobs in QEMU's words."""

import pytest

from vmsnap_tui.backends.libvirt.backup_xml import BackupDisk, BackupXml
from vmsnap_tui.backends.libvirt.job_facts import JobFacts, jobs
from vmsnap_tui.model.job import Job, JobStatus

_OPERATION = "0123456789ab"
_BACKUP = BackupXml("push", "", (BackupDisk("vda", "/a"), BackupDisk("vdb", "/b")))
_STATS = {"type": 1, "operation": 9}


def _info(kind: int, done: int = 1, total: int = 4) -> dict[str, int]:
    return {"type": kind, "cur": done, "end": total, "bandwidth": 5}


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, "stream"), (2, "mirror"), (3, "commit"), (4, "commit"), (9, "type 9")],
)
def test_a_block_job_has_qemus_kind_and_the_disks_name(number: int, kind: str) -> None:
    facts = JobFacts({}, block={"vda": _info(number)})
    assert facts.any
    assert jobs(facts, (), {}) == (
        Job(
            id=f"libvirt-{kind}-vda",
            kind=kind,
            status=JobStatus.RUNNING,
            done_bytes=1,
            total_bytes=4,
            speed_bytes_per_s=5,
            target="vda",
        ),
    )


def test_a_job_that_waits_for_its_pivot_is_ready() -> None:
    facts = JobFacts({}, block={"vda": _info(4), "vdb": _info(4)})
    found = jobs(facts, {"vdb"}, {})
    assert [job.status for job in found] == [JobStatus.RUNNING, JobStatus.READY]


def test_a_backup_of_ours_has_the_ids_of_its_operation() -> None:
    facts = JobFacts(
        _STATS,
        block={"vda": _info(5), "vdb": _info(5)},
        backup=_BACKUP,
        operation=_OPERATION,
    )
    found = jobs(facts, (), {})
    assert [job.operation for job in found] == [_OPERATION, _OPERATION]
    assert found[0].id == f"vmsnap-{_OPERATION}-vda"
    assert {job.kind for job in found} == {"backup"}


def test_a_foreign_backup_is_nobodys_operation() -> None:
    facts = JobFacts(_STATS, block={"vda": _info(5)}, backup=_BACKUP)
    assert [job.id for job in jobs(facts, (), {})] == [
        "libvirt-backup-vda",
        "libvirt-backup-vdb",
    ]
    assert all(job.operation is None for job in jobs(facts, (), {}))


def test_a_disk_that_is_done_waits_for_the_others() -> None:
    facts = JobFacts(_STATS, block={"vdb": _info(5)}, backup=_BACKUP)
    found = {job.target: job for job in jobs(facts, (), {"vda": 64})}
    assert found["vdb"].status is JobStatus.RUNNING
    assert found["vda"].status is JobStatus.PENDING
    assert (found["vda"].done_bytes, found["vda"].total_bytes) == (64, 64)


def test_a_backup_that_starts_is_a_job_already() -> None:
    known = JobFacts({}, starting=True, backup=_BACKUP, operation=_OPERATION)
    assert [(j.id, j.status) for j in jobs(known, (), {})] == [
        (f"vmsnap-{_OPERATION}-vda", JobStatus.CREATED),
        (f"vmsnap-{_OPERATION}-vdb", JobStatus.CREATED),
    ]
    unknown = JobFacts({}, starting=True)
    assert unknown.any
    [job] = jobs(unknown, (), {})
    assert (job.id, job.status) == ("libvirt-backup", JobStatus.CREATED)


def test_a_job_of_the_whole_domain_is_a_job() -> None:
    stats = {"type": 2, "operation": 6, "data_total": 8, "data_processed": 2}
    [job] = jobs(JobFacts(stats), (), {})
    assert (job.id, job.kind, job.target) == ("libvirt-snapshot", "snapshot", "")
    assert (job.done_bytes, job.total_bytes) == (2, 8)
    [unknown] = jobs(JobFacts({"type": 2, "operation": 77}), (), {})
    assert unknown.kind == "operation 77"


def test_no_facts_are_no_job() -> None:
    assert not JobFacts({"type": 0}, block={}).any
    assert jobs(JobFacts({"type": 0}, block={}), (), {}) == ()

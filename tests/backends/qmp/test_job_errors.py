import pytest

from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.job_errors import gone, job_failure
from vmsnap_tui.backends.qmp.session import CommandRefused
from vmsnap_tui.model.instant import DiskInstant
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.point import DiskLevel

DISK = DiskInstant("vda", "/repo/a", "t", DiskLevel.FULL, "n", True, "s", ())


@pytest.mark.parametrize(
    ("text", "is_gone"),
    [
        ("Failed to find node with node-name='t'", True),
        ("Cannot find device='' nor node-name='t'", True),
        ("Dirty bitmap 'n' not found", True),
        ("Node 't' is busy: block device is in use by block job: backup", False),
        ("Bitmap 'n' is readonly and cannot be modified", False),
    ],
)
def test_what_is_gone_is_told_from_what_is_in_use(text: str, is_gone: bool) -> None:
    error = CommandRefused(Command("blockdev-del"), "GenericError", text)
    assert gone(error) is is_gone


def test_full_storage_is_named_with_the_file() -> None:
    job = Job("j", "backup", JobStatus.CONCLUDED, 0, 1, "No space left on device")
    failure = job_failure(DISK, job)
    assert "no space left" in failure.cause
    assert "/repo/a" in failure.evidence
    assert "prune" in failure.remedy


def test_other_failures_keep_qemus_words() -> None:
    job = Job("j", "backup", JobStatus.CONCLUDED, 0, 1, "Input/output error")
    assert "Input/output error" in job_failure(DISK, job).evidence

"""Jobs: QEMU's words, our ids, and a ratio that never lies."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.model.job import Job, JobStatus, job_id

RUNNING = Job("j", "backup", JobStatus.RUNNING, 25, 100)


def test_the_states_are_qemu_s() -> None:
    assert " ".join(JobStatus) == (
        "undefined created running paused ready standby waiting pending aborting"
        " concluded null"
    )


@pytest.mark.parametrize(
    ("done_bytes", "total_bytes", "ratio"),
    [(0, 100, 0.0), (25, 100, 0.25), (100, 100, 1.0), (120, 100, 1.0), (0, 0, 0.0)],
)
def test_the_ratio_is_never_above_one(
    done_bytes: int, total_bytes: int, ratio: float
) -> None:
    job = replace(RUNNING, done_bytes=done_bytes, total_bytes=total_bytes)
    assert job.done_ratio == ratio


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_of_nothing_is_whole_when_it_is_over(status: JobStatus) -> None:
    job = Job("j", "backup", status, 0, 0)
    over = status in (JobStatus.PENDING, JobStatus.CONCLUDED, JobStatus.NULL)
    assert job.done_ratio == float(over)


def test_a_job_of_ours_names_its_operation() -> None:
    ours = replace(RUNNING, id=job_id("1a2b3c", "virtio-disk0"))
    assert ours.id == "vmsnap-1a2b3c-virtio-disk0"
    assert ours.operation == "1a2b3c"


@pytest.mark.parametrize("name", ["", "backup-1a2b3c-vda", "xvmsnap-1-a", "VMSNAP-1-a"])
def test_a_job_of_others_has_no_operation(name: str) -> None:
    assert replace(RUNNING, id=name).operation is None


@given(operation=st.text("0123456789abcdef", min_size=1), target=st.text())
def test_qemu_takes_every_id(operation: str, target: str) -> None:
    made = job_id(operation, target)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", made)
    assert replace(RUNNING, id=made).operation == operation

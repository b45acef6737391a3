import io
import json
from typing import Any

from vmsnap_tui.cli.diagnostics import Diagnostics
from vmsnap_tui.cli.narration import Narration, job_fields
from vmsnap_tui.engine.events import (
    JobView,
    Outcome,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.plan.steps import CommitPoint

PLAN = Plan(
    operation="op1",
    title="backup web-01",
    vm_name="web-01",
    vm="key",
    connection="qmp:///a",
    repository="/r",
    point="p1",
    request=BackupRequest("web-01"),
    steps=(CommitPoint("p1"),),
    commit_index=0,
)
RUN: tuple[RunEvent, ...] = (
    RunStarted("op1", PLAN),
    StepStarted("op1", 0, False, "copy"),
    RunProgressed("op1", 0, "vda", 0, 0),
    RunProgressed("op1", 0, "vda", 1 << 20, 2 << 20),
    StepEnded("op1", 0, False, "copy", 1.25),
    StepEnded("op1", 0, True, "remove", 0.5, error="it is gone"),
    RunEnded("op1", RunResult("op1", Outcome.UNDONE, "backup web-01", "web-01")),
)


class Clock:
    """Each look at it is a second later."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def _told(*, as_json: bool) -> str:
    stream = io.StringIO()
    narration = Narration(
        Diagnostics(as_json=as_json, stream=stream, clock=Clock()), Clock()
    )
    for event in RUN:
        narration.tell(event)
    return stream.getvalue()


def test_a_run_reads_as_its_steps() -> None:
    assert _told(as_json=False).splitlines() == [
        "operation op1: backup web-01",
        "vda 50%  1.00 MiB of 2.00 MiB  1.00 MiB/s  ETA 1.0 s",
        "1. copy (1.2 s)",
        "undo 1. remove: it is gone",
    ]


def test_a_program_reads_the_same_as_objects() -> None:
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in _told(as_json=True).splitlines()
    ]
    assert [line["type"] for line in lines] == [
        "operation-started",
        "progress",
        "progress",
        "step-ended",
        "step-ended",
    ]
    assert lines[2]["done_bytes"] == 1 << 20 and lines[2]["target"] == "vda"
    assert lines[-1]["undoing"] and lines[-1]["error"] == "it is gone"
    assert all(line["operation"] == "op1" for line in lines)


def test_a_job_is_told_in_qemus_words() -> None:
    job = Job("vmsnap-op1-vda", "backup", JobStatus.RUNNING, 1, 4, target="vda")
    fields = job_fields(JobView("key", "web-01", job, "backup web-01"))
    assert fields["status"] == "running" and fields["operation"] == "op1"
    assert fields["done_ratio"] == 0.25

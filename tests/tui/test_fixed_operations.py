"""The fixed values are what the program itself would make."""

from vmsnap_tui.engine.events import Outcome, RunEnded, RunStarted
from vmsnap_tui.tui.fixed_operations import (
    OPERATION,
    backup_plan,
    completed,
    copying,
    failed,
    job_views,
    listing,
    restore_plan,
    sealing,
    stored_points,
)


def test_plans_are_the_same_at_every_call() -> None:
    assert backup_plan() == backup_plan()
    assert restore_plan() == restore_plan()


def test_every_history_begins_with_its_run() -> None:
    for history in (copying(), sealing(), completed(), failed()):
        assert isinstance(history[0], RunStarted)
        assert {event.operation for event in history} == {OPERATION}


def test_two_histories_have_an_end() -> None:
    ends = [history[-1] for history in (completed(), failed())]
    outcomes = [end.result.outcome for end in ends if isinstance(end, RunEnded)]
    assert outcomes == [Outcome.DONE, Outcome.UNDONE]


def test_jobs_belong_to_the_operation() -> None:
    assert {view.job.operation for view in job_views()} == {OPERATION}


def test_each_increment_stands_on_a_point_of_the_list() -> None:
    ids = {stored.point.id for stored in stored_points()}
    parents = {
        disk.parent.point
        for stored in stored_points()
        for disk in stored.point.disks
        if disk.parent
    }
    assert parents <= ids
    assert len(listing()) == len(ids) + 1

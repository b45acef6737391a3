"""A run on screen is what its events say, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vmsnap_tui.engine.events import (
    Outcome,
    RunEnded,
    RunEvent,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.errors import Locked, PlanRefused
from vmsnap_tui.tui.fixed_operations import (
    OPERATION,
    backup_plan,
    completed,
    copying,
    failed,
    job_views,
    sealing,
)
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.run_rows import (
    Mark,
    RunView,
    heard,
    line_of_step,
    refusal_lines,
    result_rows,
    run_lines,
    undo_list,
)
from vmsnap_tui.tui.view.spans import Line, plain


def folded(events: Sequence[RunEvent], now_s: float = 100.0) -> RunView:
    view = RunView.of(backup_plan())
    for event in events:
        view = heard(view, event, now_s)
    return view


def marks(view: RunView) -> str:
    return "".join(row.mark.value for row in view.rows)


def text(lines: Sequence[Line]) -> str:
    return "\n".join(plain(line).rstrip() for line in lines)


def test_steps_are_done_running_and_to_come() -> None:
    assert marks(folded(copying())) == "✓✓✓✓✓✓✓▸·······"


def test_a_run_that_is_done_has_every_step_done() -> None:
    assert marks(folded(completed())) == "✓" * 15


def test_a_broken_run_shows_what_failed_and_what_was_taken_back() -> None:
    view = folded(failed())
    assert marks(view) == "↶✓✓↶↶↶✓✗·······"
    shown = text(run_lines(view, (), 100.0, 80))
    assert "the copy of vdb broke" in shown
    assert "undone: take the stored images back from QEMU" in shown


def test_a_failed_step_that_is_undone_keeps_its_reason() -> None:
    plan = backup_plan()
    events = (
        RunStarted(OPERATION, plan),
        StepStarted(OPERATION, 0, False, "a"),
        StepEnded(OPERATION, 0, False, "a", 0.1, "no space"),
        StepStarted(OPERATION, 0, True, "remove it"),
        StepEnded(OPERATION, 0, True, "remove it", 0.1),
    )
    shown = text(run_lines(folded(events), (), 100.0, 80))
    assert "no space" in shown
    assert "undone: remove it" in shown


def test_a_resumed_run_has_done_what_stands_before_it() -> None:
    plan = backup_plan()
    events = (
        RunStarted(OPERATION, plan, resumed=True),
        StepStarted(OPERATION, 8, False, ""),
    )
    view = folded(events)
    assert marks(view) == "✓✓✓✓✓✓✓✓▸······"
    assert view.resumed


def test_an_earlier_operation_that_is_settled_first_is_told_and_not_mixed_in() -> None:
    other = RunResult("other", Outcome.UNDONE, "backup web-01", "web-01")
    events = (
        RunStarted("other", backup_plan()),
        StepStarted("other", 3, True, "close it"),
        RunEnded("other", other),
        *copying(),
    )
    view = folded(events)
    assert marks(view) == "✓✓✓✓✓✓✓▸·······"
    assert view.result is None
    first = text(run_lines(view, (), 100.0, 120)).splitlines()[0]
    assert "first settled: backup web-01" in first


def test_elapsed_time_of_the_running_step_counts_from_when_it_began() -> None:
    lines = run_lines(folded(copying()), (), 104.0, 80)
    assert plain(lines[7]).endswith("4 s")


def test_jobs_stand_under_the_copy_that_they_make() -> None:
    lines = run_lines(folded(copying()), job_views(), 100.0, 80)
    assert "vda" in plain(lines[8])
    assert "61 %" in plain(lines[8])
    assert "201 MiB/s" in plain(lines[9])
    assert all(len(plain(line)) <= 80 for line in lines)


def test_reading_back_shows_how_far_it_is() -> None:
    lines = run_lines(folded(sealing()), (), 100.0, 80)
    assert any("59 %" in plain(line) for line in lines)


def test_the_running_step_is_found_among_the_lines() -> None:
    view = folded(copying())
    lines = run_lines(view, (), 100.0, 80)
    assert Mark.RUNNING.value in plain(lines[line_of_step(view, 80)])


def test_what_stopping_takes_back_is_listed_last_first() -> None:
    plan = backup_plan()
    undos = [s.undo.describe() for s in plan.steps[:8] if s.undo]
    assert undo_list(folded(copying())) == tuple(reversed(undos))


def test_past_the_commit_there_is_no_way_back() -> None:
    plan = backup_plan()
    at = plan.commit_index
    before = (*copying(), StepStarted(OPERATION, at, False, ""))
    assert not folded(before).past_return
    after = (*before, StepEnded(OPERATION, at, False, "", 0.1))
    assert folded(after).past_return


@pytest.mark.parametrize(
    ("outcome", "interrupted", "words"),
    [
        (Outcome.DONE, False, "✓ done"),
        (Outcome.UNDONE, False, "✗ failed, and undone"),
        (Outcome.UNDONE, True, "↶ cancelled, and undone"),
        (Outcome.UNKNOWN, False, "? outcome unknown"),
        (Outcome.STUCK, False, "✗ stuck"),
    ],
)
def test_every_end_has_its_words(
    outcome: Outcome, interrupted: bool, words: str
) -> None:
    result = RunResult(
        OPERATION, outcome, "backup web-01", "web-01", interrupted=interrupted
    )
    assert words in as_text(result_rows(result))


def test_a_result_names_point_disks_bytes_window_and_warnings() -> None:
    result = folded(completed()).result
    assert result is not None
    shown = as_text(result_rows(replace(result, warnings=("vdb is raw",))), 120)
    assert "✓ done, with warnings" in shown
    assert "guest frozen for 118 ms" in shown
    assert result.point in shown
    assert "vda          incremental  312 MiB" in shown
    assert "△ vdb is raw" in shown


def test_a_refusal_says_that_nothing_was_changed() -> None:
    error = PlanRefused("the machine has changed", evidence="vda", remedy="plan again")
    shown = text(refusal_lines(error, 80))
    assert "refused: nothing was changed" in shown
    assert "what to do   plan again" in shown
    locked = text(refusal_lines(Locked("it is locked", evidence="root, pid 7"), 80))
    assert "root, pid 7" in locked


def test_a_step_that_began_before_anybody_listened_has_no_clock() -> None:
    view = RunView.of(backup_plan())
    for event in copying():
        view = heard(view, event, None)
    lines = run_lines(view, (), 104.0, 80)
    assert plain(lines[7]).rstrip().endswith("every disk is complete")

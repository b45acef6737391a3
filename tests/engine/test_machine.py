"""What comes next, for every small plan and everything that can come of its steps.

A walk is a plan with one choice after another of what the world answers: an effect
is done, refused, or broken off (the process was killed, the connection lost) and
settled later. Every walk is walked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

import pytest

from tests.plan.material import (
    IDENTITY,
    a_bitmap,
    a_disk,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.engine.machine import (
    Direction,
    Do,
    Finished,
    Mark,
    Record,
    Settle,
    next_move,
)
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest

F, B = Direction.FORWARD, Direction.BACK


@dataclass(frozen=True, slots=True)
class ModelStep:
    """As much of a step as deciding looks at."""

    repeatable: bool
    tidy: bool
    undo: str | None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    steps: tuple[ModelStep, ...]
    commit_index: int

    @property
    def plan(self) -> Plan:
        return cast(Plan, self)


KINDS = tuple(
    ModelStep(repeatable, tidy, undo)
    for repeatable, tidy, undo in product([False, True], [False, True], ["undo", None])
)


def plans(length: int) -> Iterator[ModelPlan]:
    """Every mix of steps; the commit itself is never tidy: it is why all is done."""
    for steps in product(KINDS, repeat=length):
        for commit_index in range(length):
            if not steps[commit_index].tidy:
                yield ModelPlan(steps, commit_index)


Walk = tuple[Record, ...]
LONGEST = 4 * 3 + 2 * 3
"""Two records a step there, two back, two for each time it is broken off."""


def answers(
    plan: ModelPlan, move: Do | Settle, breaks: int
) -> Iterator[tuple[Walk, int]]:
    """What may be recorded of a move, and the breaks that are left after it."""
    index, direction = move.index, move.direction
    if isinstance(move, Settle):
        for mark in (Mark.DONE, Mark.ABSENT, Mark.FAILED):
            yield (Record(index, direction, mark),), breaks
        return
    intent = Record(index, direction, Mark.INTENT)
    yield (intent, Record(index, direction, Mark.DONE)), breaks
    yield (intent, Record(index, direction, Mark.FAILED)), breaks
    if direction is F and index <= plan.commit_index:
        yield (Record(index, direction, Mark.FAILED, "cancelled"),), breaks
    if breaks:
        yield (intent,), breaks - 1


def walks(
    plan: ModelPlan, breaks: int, before: Walk = ()
) -> Iterator[tuple[Walk, Finished]]:
    assert len(before) <= LONGEST, "it does not end"
    move = next_move(plan.plan, before)
    if isinstance(move, Finished):
        yield before, move
        return
    for records, left in answers(plan, move, breaks):
        yield from walks(plan, left, before + records)


def committed(plan: ModelPlan, walk: Walk) -> bool:
    return any(
        (r.index, r.direction, r.mark) == (plan.commit_index, F, Mark.DONE)
        for r in walk
    )


def check(plan: ModelPlan, walk: Walk, end: Finished) -> None:
    back = [r for r in walk if r.direction is B]
    if committed(plan, walk):
        assert not back, "it went back after the commit"
        assert end in (Finished.COMPLETED, Finished.STUCK)
        _check_stuck_after_commit(plan, walk, end)
    else:
        assert end is not Finished.COMPLETED
        undo_failed = bool(back) and back[-1].mark is Mark.FAILED
        assert (end is Finished.STUCK) == undo_failed
    if end is Finished.UNDONE:
        _check_undone(plan, walk)
    if end is Finished.COMPLETED:
        done = {r.index for r in walk if r.mark is Mark.DONE}
        needed = {n for n, step in enumerate(plan.steps) if not step.tidy}
        assert needed <= done


def _check_stuck_after_commit(plan: ModelPlan, walk: Walk, end: Finished) -> None:
    last = walk[-1]
    failed = last.mark in (Mark.FAILED, Mark.ABSENT)
    assert (end is Finished.STUCK) == (failed and not plan.steps[last.index].tidy)


def _check_undone(plan: ModelPlan, walk: Walk) -> None:
    started = {r.index for r in walk if r.direction is F and r.mark is Mark.INTENT}
    undone = [r.index for r in walk if r.direction is B and r.mark is Mark.DONE]
    needed = {index for index in started if plan.steps[index].undo}
    assert needed <= set(undone), "what was begun was not taken back"
    assert undone == sorted(undone, reverse=True), "not in the opposite order"
    assert len(undone) == len(set(undone))


@pytest.mark.parametrize(("length", "breaks"), [(1, 3), (2, 3), (3, 1)])
def test_every_walk_ends_as_it_must(length: int, breaks: int) -> None:
    """Terminates; before the commit it ends undone, with every undo of a step that
    was begun, last first; after it, it never goes back."""
    walked = 0
    for plan in plans(length):
        for walk, end in walks(plan, breaks):
            check(plan, walk, end)
            walked += 1
    assert walked > 100


def test_a_step_that_was_done_is_not_done_again() -> None:
    """Unless it may be: a second instant would be another point in time."""
    for plan in plans(2):
        for walk, _ in walks(plan, 2):
            begun = [r.index for r in walk if (r.direction, r.mark) == (F, Mark.INTENT)]
            twice = {index for index in begun if begun.count(index) > 1}
            assert all(plan.steps[index].repeatable for index in twice)


def test_the_last_record_alone_decides() -> None:
    """So a resumed run and an uninterrupted one are the same."""
    for plan in plans(2):
        for walk, end in walks(plan, 1):
            assert next_move(plan.plan, walk[-1:]) == end


# The same in single steps, to be read

STEP = ModelStep(repeatable=False, tidy=False, undo="undo")
REPEATABLE = ModelStep(repeatable=True, tidy=False, undo=None)
TIDY = ModelStep(repeatable=True, tidy=True, undo=None)
PLAN = ModelPlan((STEP, REPEATABLE, STEP, STEP, REPEATABLE, TIDY, STEP), 4)


def after(*records: tuple[int, Direction, Mark]) -> tuple[object, ...]:
    move = next_move(PLAN.plan, [Record(*record) for record in records])
    if isinstance(move, Finished):
        return (move,)
    return type(move).__name__, move.index, move.direction


def test_it_begins_at_the_first_step() -> None:
    assert after() == ("Do", 0, F)


def test_an_intent_without_an_outcome_is_settled_by_the_world() -> None:
    assert after((2, F, Mark.INTENT)) == ("Settle", 2, F)


def test_what_took_effect_is_gone_on_from() -> None:
    assert after((2, F, Mark.DONE)) == ("Do", 3, F)


def test_what_shows_no_effect_is_done_again_where_that_does_no_harm() -> None:
    assert after((1, F, Mark.ABSENT)) == ("Do", 1, F)


def test_what_shows_no_effect_is_taken_back_all_the_same_elsewhere() -> None:
    """It may have half happened."""
    assert after((2, F, Mark.ABSENT)) == ("Do", 2, B)


def test_what_failed_is_taken_back_with_all_before_it() -> None:
    assert after((2, F, Mark.FAILED)) == ("Do", 2, B)
    assert after((2, B, Mark.DONE)) == ("Do", 0, B)
    assert after((0, B, Mark.DONE)) == (Finished.UNDONE,)


def test_a_commit_that_failed_is_taken_back() -> None:
    assert after((4, F, Mark.FAILED)) == ("Do", 3, B)


def test_a_commit_of_which_nobody_knows_is_asked_and_done_again() -> None:
    assert after((4, F, Mark.INTENT)) == ("Settle", 4, F)
    assert after((4, F, Mark.ABSENT)) == ("Do", 4, F)


def test_what_fails_after_the_commit_is_left_or_stuck_never_taken_back() -> None:
    assert after((5, F, Mark.FAILED)) == ("Do", 6, F)
    assert after((6, F, Mark.FAILED)) == (Finished.STUCK,)


def test_an_undo_that_was_broken_off_is_done_again_without_asking() -> None:
    """Undoing twice does no harm, and what cannot be asked might be frozen."""
    assert after((2, B, Mark.INTENT)) == ("Do", 2, B)


def test_an_undo_that_failed_waits_for_the_operator_to_let_it_try_again() -> None:
    assert after((2, B, Mark.FAILED)) == (Finished.STUCK,)
    assert after((2, B, Mark.FAILED), (2, B, Mark.ABSENT)) == ("Do", 2, B)


def test_the_last_step_completes_it() -> None:
    assert after((6, F, Mark.DONE)) == (Finished.COMPLETED,)


# The plan of a backup

BACKUP = plan_backup(
    a_vm(a_disk(an_image("base", a_bitmap()))),
    BackupRequest("web-01", quiesce=True),
    a_shelf(stored()),
    IDENTITY,
)


def _finish(records: list[Record], failing: Sequence[int] = ()) -> Finished:
    """From here on all goes well, but for the steps that fail."""
    while not isinstance(move := next_move(BACKUP, records), Finished):
        if isinstance(move, Settle):
            records.append(Record(move.index, move.direction, Mark.ABSENT))
            continue
        forward = move.direction is F
        mark = Mark.FAILED if forward and move.index in failing else Mark.DONE
        records.append(Record(move.index, move.direction, Mark.INTENT))
        records.append(Record(move.index, move.direction, mark))
    return move


def _undoes(records: list[Record]) -> list[str]:
    return [
        type(BACKUP.steps[r.index].undo).__name__
        for r in records
        if r.direction is B and r.mark is Mark.DONE
    ]


@pytest.mark.parametrize("index", range(len(BACKUP.steps)))
def test_a_backup_that_fails_at_any_step_leaves_nothing_or_a_point(index: int) -> None:
    records: list[Record] = []
    end = _finish(records, failing=[index])
    if index > BACKUP.commit_index:
        assert end is Finished.COMPLETED
        return
    assert end is Finished.UNDONE
    names = [type(step).__name__ for step in BACKUP.steps[: index + 1]]
    expected = ["AbortBackup"] * ("StartBackup" in names)
    expected += ["ThawGuest"] * ("FreezeGuest" in names)
    expected += ["DropTargets"] * ("AttachTargets" in names)
    assert _undoes(records) == [*expected, "DropPartial"]


@pytest.mark.parametrize("index", range(len(BACKUP.steps)))
def test_a_backup_that_is_killed_at_any_step_ends_when_it_is_resumed(
    index: int,
) -> None:
    """Where the world shows no effect of the step: the worst that can be found."""
    records = [Record(n, F, Mark.DONE) for n in range(index)]
    records.append(Record(index, F, Mark.INTENT))
    end = _finish(records)
    assert end in (Finished.COMPLETED, Finished.UNDONE)
    if end is Finished.UNDONE:
        assert not BACKUP.steps[index].repeatable
        assert _undoes(records)[-1] == "DropPartial"


def test_a_guest_that_was_frozen_is_thawed_whatever_fails() -> None:
    names = [type(step).__name__ for step in BACKUP.steps]
    for index in range(names.index("FreezeGuest"), BACKUP.commit_index + 1):
        records: list[Record] = []
        _finish(records, failing=[index])
        thawed = {
            record.index
            for record in records
            if record.mark is Mark.DONE and _thaws(record)
        }
        assert thawed, index


def _thaws(record: Record) -> bool:
    step = BACKUP.steps[record.index]
    performed = step if record.direction is F else step.undo
    return type(performed).__name__ == "ThawGuest"

"""What to do next, given the plan and what the journal says. Pure.

The executor asks, acts, appends a record and asks again. After a crash the same
question is asked of the journal on disk, so that a resumed run and an uninterrupted
one are the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct

from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import Step


class Mark(StrEnum):
    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    """It was refused, or did not do what it should."""
    ABSENT = "absent"
    """Broken off in between, and the world shows no effect."""


class Direction(StrEnum):
    FORWARD = "forward"
    BACK = "back"


class Record(Struct, frozen=True, omit_defaults=True):
    """One line of a journal; `output` is what later steps need of this one."""

    index: int
    direction: Direction
    mark: Mark
    at_utc: str = ""
    error: str = ""
    output: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Do:
    index: int
    direction: Direction
    step: Step


@dataclass(frozen=True, slots=True)
class Settle:
    """An intent without an outcome: ask the world whether the step took effect."""

    index: int
    direction: Direction
    step: Step


class Finished(StrEnum):
    COMPLETED = "completed"
    UNDONE = "undone"
    STUCK = "stuck"


Move: TypeAlias = Do | Settle | Finished


def next_move(plan: Plan, records: Sequence[Record], *, resumed: bool = False) -> Move:
    """The next thing to do; the last record alone decides.

    `resumed` is whether another process than the one that planned goes on: it does so
    only from `plan.resume_index` on, and takes back what was interrupted before.

    A failed or absent step is taken back itself before those that precede it: it may
    have half happened, and every undo is safe where nothing was done.
    """
    last_begun = records[-1].index if records else -1
    first = plan.resume_index if resumed else 0
    move = _move(plan, records)
    if isinstance(move, Do) and move.direction is Direction.FORWARD:
        return move if move.index >= first else _back(plan, last_begun)
    return move


def _move(plan: Plan, records: Sequence[Record]) -> Move:
    if not records:
        return _forward(plan, 0)
    last = records[-1]
    if last.direction is Direction.BACK:
        return _after_undo(plan, last)
    step = plan.steps[last.index]
    match last.mark:
        case Mark.INTENT:
            return Settle(last.index, Direction.FORWARD, step)
        case Mark.DONE:
            return _forward(plan, last.index + 1)
        case Mark.ABSENT if step.repeatable:
            return Do(last.index, Direction.FORWARD, step)
        case Mark.FAILED | Mark.ABSENT if step.tidy:
            return _forward(plan, last.index + 1)
        case Mark.FAILED | Mark.ABSENT:
            if last.index > plan.commit_index:
                return Finished.STUCK
            return _back(plan, last.index)


def _after_undo(plan: Plan, last: Record) -> Move:
    match last.mark:
        case Mark.INTENT | Mark.ABSENT:
            return _back(plan, last.index)
        case Mark.DONE:
            return _back(plan, last.index - 1)
        case Mark.FAILED:
            return Finished.STUCK


def _forward(plan: Plan, index: int) -> Move:
    if index >= len(plan.steps):
        return Finished.COMPLETED
    return Do(index, Direction.FORWARD, plan.steps[index])


def _back(plan: Plan, index: int) -> Move:
    while index >= 0:
        undo = plan.steps[index].undo
        if undo is not None:
            return Do(index, Direction.BACK, undo)
        index -= 1
    return Finished.UNDONE

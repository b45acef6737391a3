"""Walk the machine: act, and write the journal around each act.

A run that is cancelled as a task (the program ends) writes nothing more: it looks
exactly as if the process had been killed, and is recovered the same way. A run that
the operator cancels is taken back in order.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, assert_never

from vmsnap_tui.backends.base import Backend, Link
from vmsnap_tui.engine.effects import Arms, Effects, Output
from vmsnap_tui.engine.events import RunEvent, RunProgressed, StepEnded, StepStarted
from vmsnap_tui.engine.journal import Journal, utc_now
from vmsnap_tui.engine.machine import (
    Direction,
    Do,
    Finished,
    Mark,
    Record,
    Settle,
    next_move,
)
from vmsnap_tui.errors import ConnectionLost, NoConnection, NotFound, VmsnapError
from vmsnap_tui.plan.steps import (
    AbortBackup,
    DropTargets,
    Step,
    ThawGuest,
)

RECONNECT_S = 15.0
"""How long a run waits for a connection that was lost before it says "unknown"."""
RECONNECT_POLL_S = 0.2
LOST_ATTEMPTS = 5
UNDO_ATTEMPTS = 3
SETTLE_ATTEMPTS = 3

_log = logging.getLogger(__name__)

GONE = "the machine's process has ended, and this with it"


class Executor:
    """One run over one journal. Not used twice."""

    def __init__(
        self,
        journal: Journal,
        arms: Arms,
        emit: Callable[[RunEvent], None],
        cancel: asyncio.Event,
        *,
        resumed: bool = False,
    ) -> None:
        self.journal = journal
        self.plan = journal.plan
        self.backend: Backend | None = arms.backend
        self.emit = emit
        self.cancel = cancel
        self.resumed = resumed
        self._running = 0
        self._lost_attempts = 0
        self._undo_attempts = 0
        self._silence = ""
        """Why the machine could not be asked, in its connection's words."""
        self.effects = Effects(self.plan, arms, self.outputs, self._progressed, cancel)

    async def run(self) -> Finished:
        """Go on from where the journal is. Raises ConnectionLost when what a step
        did cannot be found out now, OSError when the journal cannot be written."""
        while True:
            move = next_move(self.plan, self.journal.records(), resumed=self.resumed)
            match move:
                case Finished():
                    return move
                case Settle():
                    await self._settle(move)
                case Do():
                    await self._do(move)
                case _:
                    assert_never(move)

    def outputs(self, kind: type[Step]) -> list[dict[str, Any]]:
        """The newest output of each step of this kind, in the plan's order."""
        found: dict[int, dict[str, Any]] = {}
        for record in self.journal.records():
            forward = record.direction is Direction.FORWARD
            if forward and record.mark is Mark.DONE and record.output is not None:
                found[record.index] = record.output
        return [
            found[index]
            for index, step in enumerate(self.plan.steps)
            if isinstance(step, kind) and index in found
        ]

    async def _do(self, move: Do) -> None:
        if self.cancel.is_set() and self._may_cancel(move):
            self._record(move.index, move.direction, Mark.FAILED, "cancelled")
            return
        text, start_s = move.step.describe(), time.monotonic()
        undoing = move.direction is Direction.BACK
        self._running = move.index
        self._record(move.index, move.direction, Mark.INTENT)
        self.emit(StepStarted(self.plan.operation, move.index, undoing, text))
        error, output = "", None
        try:
            output = await self.effects.perform(move.step)
        except (ConnectionLost, NoConnection) as lost:
            error = str(lost)
            await (self._undo_lost if undoing else self._lost)(move, lost)
        except (VmsnapError, OSError) as failed:
            error = str(failed)
            await self._failed(move, error)
        else:
            self._record(move.index, move.direction, Mark.DONE, output=output)
        elapsed_s = time.monotonic() - start_s
        event = StepEnded(
            self.plan.operation, move.index, undoing, text, elapsed_s, error
        )
        self.emit(event)

    def _may_cancel(self, move: Do) -> bool:
        return move.direction is Direction.FORWARD and (
            move.index <= self.plan.commit_index
        )

    async def _failed(self, move: Do, error: str) -> None:
        """Record a failure, unless the step did take effect in spite of it.

        That matters at the commit alone: a rename that happened stands, even if the
        sync behind it did not.
        """
        forward = move.direction is Direction.FORWARD
        if forward and move.index == self.plan.commit_index:
            world = await self.effects.world(move.step)
            if move.step.took_effect(world):
                self._record(move.index, move.direction, Mark.DONE, error)
                return
        if not forward and await self._is_moot(move.step):
            self._record(move.index, move.direction, Mark.DONE, GONE)
            return
        self._record(move.index, move.direction, Mark.FAILED, error)

    async def _lost(self, move: Do, lost: VmsnapError) -> None:
        """The intent stands without an outcome, to be settled next; but a machine
        that answers and yet never does what it is told is not asked for ever."""
        self._lost_attempts += 1
        if self._lost_attempts > LOST_ATTEMPTS:
            raise ConnectionLost(
                f"it is not known whether this was done: {move.step.describe()}",
                evidence=str(lost),
                remedy="run `vmsnap-tui recover` when the machine answers again",
            ) from lost

    async def _undo_lost(self, move: Do, lost: VmsnapError) -> None:
        """The connection went while something was taken back: try again when it is
        back; what died with its machine needs no taking back."""
        if await self._is_moot(move.step):
            self._record(move.index, move.direction, Mark.DONE, GONE)
            return
        self._undo_attempts += 1
        if self._undo_attempts > UNDO_ATTEMPTS or not await self._reconnected():
            if await self._is_moot(move.step):
                self._record(move.index, move.direction, Mark.DONE, GONE)
                return
            raise ConnectionLost(
                f"it is not known whether this was taken back: {move.step.describe()}",
                evidence=str(lost),
                remedy="run `vmsnap-tui recover` when the machine can be reached",
            ) from lost

    async def _settle(self, move: Settle) -> None:
        """Ask the world what a step did of which no outcome is known."""
        for _ in range(SETTLE_ATTEMPTS):
            if _asks_machine(move.step) and not await self._reconnected():
                break
            try:
                world = await self.effects.world(move.step)
            except (ConnectionLost, NoConnection) as lost:
                _log.info("not settled yet: %s", lost)
                continue
            mark = Mark.DONE if move.step.took_effect(world) else Mark.ABSENT
            self._record(move.index, move.direction, mark)
            return
        if not await self._gone():
            raise ConnectionLost(
                f"it is not known whether this was done: {move.step.describe()}",
                evidence=self._silence or "the machine cannot be reached",
                remedy="run `vmsnap-tui recover` when it can be asked",
            )
        self._record(move.index, move.direction, Mark.FAILED, GONE)

    async def _reconnected(self) -> bool:
        """Whether the machine can be asked, now or within RECONNECT_S; its process
        being gone for certain ends the wait early."""
        backend = self.backend
        assert backend is not None
        end_s = time.monotonic() + RECONNECT_S
        while time.monotonic() < end_s:
            if backend.link is Link.UP and await self._answers(backend):
                return True
            if await self._gone():
                return False
            await asyncio.sleep(RECONNECT_POLL_S)
        return False

    async def _answers(self, backend: Backend) -> bool:
        """A link may look up for a moment after its machine went."""
        try:
            await backend.jobs(self.plan.vm)
        except (ConnectionLost, NoConnection, NotFound) as error:
            self._silence = str(error)
            return False
        return True

    async def _gone(self) -> bool:
        return self.backend is not None and await self.backend.is_gone(self.plan.vm)

    async def _is_moot(self, step: Step) -> bool:
        """Whether an undo has nothing left to undo, as all it concerns was in the
        memory of a process that has ended."""
        if not isinstance(step, AbortBackup | DropTargets | ThawGuest):
            return False
        return await self._gone()

    def _record(
        self,
        index: int,
        direction: Direction,
        mark: Mark,
        error: str = "",
        output: Output = None,
    ) -> None:
        self.journal.append(Record(index, direction, mark, utc_now(), error, output))

    def _progressed(self, target: str, done: int, total: int) -> None:
        operation, index = self.plan.operation, self._running
        self.emit(RunProgressed(operation, index, target, done, total))


def _asks_machine(step: Step) -> bool:
    """Whether settling or repeating the step needs the machine."""
    return hasattr(step, "vm")

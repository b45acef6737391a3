"""The instants of a run, and what happens at one of them.

An instant is just before or just after a line of the journal is written, and just
before or just after an effect. The engine is closed there as the kernel would close
it, and another one recovers.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.engine.rig import Oracle
from vmsnap_tui.engine.effects import Effects, Output
from vmsnap_tui.engine.events import RunResult
from vmsnap_tui.engine.journal import Journal
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.plan.steps import Step

Hook = Callable[[str], Awaitable[None]]


class Killed(BaseException):
    """Stands for SIGKILL: no handler in the engine may see it."""


class Instants:
    """Counts the instants of a run and does something at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.kill_at = -1
        self.names: list[str] = []
        self.hook: Hook | None = None
        self._patch(patch)

    def pass_by(self, name: str) -> None:
        self.names.append(name)
        self.count += 1
        if self.count - 1 == self.kill_at:
            raise Killed(name)

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        write, perform, instants = Journal._write, Effects.perform, self

        def writing(journal: Journal, line: bytes) -> None:
            instants.pass_by(f"before writing {line[-80:]!r}")
            write(journal, line)
            instants.pass_by(f"after writing {line[-80:]!r}")

        async def performing(effects: Effects, step: Step) -> Output:
            instants.pass_by(f"before {step.describe()}")
            if instants.hook:
                await instants.hook(type(step).__name__)
            output = await perform(effects, step)
            instants.pass_by(f"after {step.describe()}")
            return output

        patch.setattr(Journal, "_write", writing)
        patch.setattr(Effects, "perform", performing)


async def killed_at(rig: Oracle[Any], instants: Instants, instant: int) -> bool:
    """Run a backup that is killed there; False when it ended before."""
    instants.count, instants.kill_at, instants.names = 0, instant, []
    engine = await rig.engine()
    try:
        plan = await engine.plan(BackupRequest(rig.machine.name))
        await engine.start(plan).result()
    except Killed:
        return True
    finally:
        instants.kill_at = -1
        await rig.close()
    return False


async def recovered(rig: Oracle[Any]) -> RunResult | None:
    """What recovering the one unfinished operation came to, None without any."""
    engine = await rig.engine()
    try:
        unfinished = engine.unfinished()
        assert len(unfinished) <= 1
        if not unfinished:
            return None
        return await engine.recover(unfinished[0].operation).result()
    finally:
        await rig.close()


async def points_of(rig: Oracle[Any]) -> list[str]:
    engine = await rig.engine()
    try:
        return [entry.point.id for entry in engine.points()]  # type: ignore[union-attr]
    finally:
        await rig.close()

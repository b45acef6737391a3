"""The scenes of the ledger and of its repair."""

import asyncio
from functools import partial
from pathlib import Path

from textual.screen import Screen

from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.tui import fixed_ledgers as fixed
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.fixed_operations import KEY, listing
from vmsnap_tui.tui.scene import SMALL, WIDE, Scene
from vmsnap_tui.tui.screens.ledger import LedgerScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.still_operations import StillApp, StillEngine


def ledger_screen() -> Screen[None]:
    return LedgerScreen(KEY)


def _ledger(vm: Vm, directory: Path) -> StillApp:
    return StillApp(StillEngine(vm, entries=listing()), ledger_screen)


def _never_backed_up(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.without_records()), ledger_screen)


def _plan(directory: Path) -> StillApp:
    vm = fixed.lost_metadata()
    plan = fixed.repair_plan(vm, RepairRequest(KEY))
    return StillApp(StillEngine(vm), lambda: PlanReview(plan))


async def was_read(app: VmsnapApp) -> None:
    """Until the three records were read."""
    screen = app.screen
    assert isinstance(screen, LedgerScreen)
    while screen.ledger is None and screen.error is None:
        await asyncio.sleep(0)


async def _on_paper(app: VmsnapApp) -> None:
    app.theme = "paper"
    await was_read(app)


_DRIFTED = partial(_ledger, fixed.lost_metadata())

SCENES: tuple[Scene, ...] = (
    Scene("ledger", _DRIFTED, ("down",), was_read),
    Scene("ledger-paper", _DRIFTED, ("down",), _on_paper),
    Scene("ledger-details", _DRIFTED, ("down", "enter"), was_read, (SMALL,)),
    Scene("ledger-well", partial(_ledger, fixed.whole()), (), was_read, (WIDE,)),
    Scene("ledger-hostile", partial(_ledger, fixed.hostile()), ("down",), was_read),
    Scene("ledger-none", _never_backed_up, (), was_read, (SMALL,)),
    Scene("plan-of-repair", _plan),
)

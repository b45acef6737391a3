"""One screen of operations over an engine that stands still, driven by keys."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from textual.pilot import Pilot
from textual.screen import Screen

from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import SMALL, until
from vmsnap_tui.tui.screens.form import FormScreen
from vmsnap_tui.tui.still_operations import StillApp, StillEngine

ScreenT = TypeVar("ScreenT", bound=Screen[Any])


@asynccontextmanager
async def on_stage(
    engine: StillEngine, screen: Callable[[], Screen[Any]]
) -> AsyncIterator[Pilot[None]]:
    """The screen on top, at 80x24; a form has its first plan by then."""
    app = StillApp(engine, screen)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: app.observed.records_read)
        if isinstance(app.screen, FormScreen):
            await planned(pilot)
        yield pilot


async def planned(pilot: Pilot[None]) -> None:
    """Until the preflight has answered to the form as it is."""
    await pilot.pause()
    await until(pilot, lambda: top(pilot, FormScreen).settled)


def top(pilot: Pilot[None], kind: type[ScreenT]) -> ScreenT:
    """The screen on top, which is of this kind."""
    assert isinstance(pilot.app.screen, kind), pilot.app.screen
    return pilot.app.screen


async def reached(pilot: Pilot[None], kind: type[ScreenT]) -> ScreenT:
    """The screen of this kind, once it is on top."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    return top(pilot, kind)


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def told(pilot: Pilot[None]) -> str:
    """What the toasts say."""
    assert isinstance(pilot.app, VmsnapApp)
    return "\n".join(each.message for each in pilot.app._notifications)

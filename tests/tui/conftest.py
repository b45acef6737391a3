"""Scenes played on a real app, without a terminal."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import SMALL, Scene, play
from vmsnap_tui.tui.still import Still, still_app

Stage = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """`async with stage(still, *keys, size=) as pilot`: everything is read by then."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    @asynccontextmanager
    async def on(
        still: Still, *keys: str, size: tuple[int, int] = SMALL
    ) -> AsyncIterator[Pilot[None]]:
        app = still_app(still, tmp_path)
        async with app.run_test(size=size, notifications=True) as pilot:
            await play(Scene("test", lambda path: app, keys), pilot)
            yield pilot

    return on


def app_of(pilot: Pilot[None]) -> VmsnapApp:
    assert isinstance(pilot.app, VmsnapApp)
    return pilot.app


def screen_text(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width].rstrip() for strip in lines[:height])

"""A scene: fixed machines, a size, some keys, and the picture that comes of it.

The snapshot tests and the pictures of the documentation are the same scenes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from vmsnap_tui.backends.base import Link
from vmsnap_tui.tui.app import VmsnapApp

SMALL = (80, 24)
WIDE = (120, 36)

Act = Callable[[VmsnapApp], Awaitable[None] | None]


def nothing(app: VmsnapApp) -> None:
    return


@dataclass(frozen=True, slots=True)
class Scene:
    """`open` makes the app in an empty directory; `act` runs when every connection
    was tried, `down` of them are known to be down and the records were read, then
    `keys` are pressed."""

    name: str
    open: Callable[[Path], VmsnapApp]
    keys: tuple[str, ...] = ()
    act: Act = nothing
    sizes: tuple[tuple[int, int], ...] = (SMALL, WIDE)
    down: int = 0


async def play(scene: Scene, pilot: Pilot[None]) -> None:
    """Bring the app to where its picture is taken."""
    app = pilot.app
    assert isinstance(app, VmsnapApp)

    def at_rest() -> bool:
        down = sum(view.link is Link.DOWN for view in app.observed.fleet)
        seen = app.observed
        return seen.opened and seen.records_read and down >= scene.down

    await until(pilot, at_rest)
    result = scene.act(app)
    if result is not None:
        await result
    await pilot.pause()
    await pilot.press(*scene.keys)
    await pilot.pause()


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app work until the condition holds; a test's timeout ends the wait."""
    while not condition():
        await pilot.pause()

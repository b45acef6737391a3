"""Machines that stand still."""

from pathlib import Path

import pytest

from vmsnap_tui.backends.base import Link
from vmsnap_tui.errors import NotFound
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import FLEET
from vmsnap_tui.tui.scenes_libvirt import HOST, SHOP
from vmsnap_tui.tui.still import StillBackend, still_app


async def test_links_are_as_the_scene_says(tmp_path: Path) -> None:
    app = still_app(FLEET, tmp_path)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.observed.opened)
        await until(
            pilot,
            lambda: sum(c.link is Link.DOWN for c in app.observed.fleet) == 2,
        )
        reasons = {c.reason for c in app.observed.fleet if c.link is Link.DOWN}
    assert any("busy" in reason for reason in reasons)
    assert any("closed" in reason for reason in reasons)


async def test_the_stored_points_are_real(tmp_path: Path) -> None:
    app = still_app(FLEET, tmp_path)
    assert len(app.engine.points()) == len(FLEET.points)
    assert app.engine.repository is not None


async def test_a_libvirt_has_many_machines_each_found_by_its_key() -> None:
    backend = StillBackend(HOST.connections[1])
    await backend.open()
    seen = await backend.read()
    assert len(seen) == 5
    assert await backend.look(SHOP.key) == SHOP
    with pytest.raises(NotFound):
        await backend.look("nobody")

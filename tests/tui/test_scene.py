"""How a scene is played."""

from pathlib import Path

from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import Scene, play
from vmsnap_tui.tui.still import Still, still_app


async def test_a_scene_acts_before_its_keys(tmp_path: Path) -> None:
    order: list[str] = []
    app = still_app(Still(), tmp_path)

    async def act(played: VmsnapApp) -> None:
        order.append(played.screen.id or "home")

    async with app.run_test() as pilot:
        await play(Scene("x", lambda path: app, ("question_mark",), act), pilot)
        order.append(type(app.screen).__name__)
    assert order[-1] == "HelpScreen"
    assert len(order) == 2

"""Pictures are the same text at every run."""

from pathlib import Path

from vmsnap_tui.tui.scene import SMALL
from vmsnap_tui.tui.scenes import SCENES
from vmsnap_tui.tui.shots import draw, every_scene, main


async def test_a_picture_is_the_same_at_every_run() -> None:
    home = SCENES[0]
    assert await draw(home, SMALL) == await draw(home, SMALL)


def test_one_scene_can_be_drawn_alone(tmp_path: Path) -> None:
    assert main([str(tmp_path / "out"), "jobs-none"]) == 0
    [path] = (tmp_path / "out").iterdir()
    assert path.name == "jobs-none-80x24.svg"
    assert path.read_text().startswith("<svg")


def test_every_registry_is_drawn() -> None:
    names = [scene.name for scene in every_scene()]
    assert "home" in names
    assert "plan" in names
    assert len(names) == len(set(names))

"""Every scene held as a picture, at both sizes."""

from pathlib import Path
from typing import Protocol

import pytest
from textual.pilot import Pilot

from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import Scene, play
from vmsnap_tui.tui.scenes import SCENES


class SnapCompare(Protocol):
    def __call__(
        self, app: VmsnapApp, *, terminal_size: tuple[int, int], run_before: object
    ) -> bool: ...


@pytest.mark.parametrize(
    ("scene", "size"),
    [
        pytest.param(scene, size, id=f"{scene.name}-{size[0]}x{size[1]}")
        for scene in SCENES
        for size in scene.sizes
    ],
)
def test_scene_looks_as_it_did(
    scene: Scene,
    size: tuple[int, int],
    snap_compare: SnapCompare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "stage").mkdir()

    async def run_before(pilot: Pilot[None]) -> None:
        await play(scene, pilot)

    app = scene.open(tmp_path / "stage")
    assert snap_compare(app, terminal_size=size, run_before=run_before)

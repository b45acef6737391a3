"""The ledger as a picture, at both sizes and in both themes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vmsnap_tui.tui.scene import Scene, play
from vmsnap_tui.tui.scenes_ledger import SCENES

_PICTURES = [
    pytest.param(scene, size, id=f"{scene.name}-{size[0]}x{size[1]}")
    for scene in SCENES
    for size in scene.sizes
]


@pytest.mark.parametrize(("scene", "size"), _PICTURES)
def test_the_picture_is_the_one_kept(
    scene: Scene,
    size: tuple[int, int],
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    app = scene.open(tmp_path)
    assert snap_compare(app, terminal_size=size, run_before=partial(play, scene))

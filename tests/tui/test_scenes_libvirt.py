"""What a libvirt fleet looks like, at both sizes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vmsnap_tui.model.limit import Ability
from vmsnap_tui.tui.scene import Scene, play
from vmsnap_tui.tui.scenes_libvirt import FAR, HOST, SCENES, SHOP
from vmsnap_tui.tui.shots import every_scene

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


def test_the_scenes_are_drawn_for_the_documentation_too() -> None:
    assert set(SCENES) <= set(every_scene())


def test_domains_have_the_limits_of_their_libvirt() -> None:
    assert SHOP.limit(Ability.REVERT_EXTERNAL)
    assert FAR[0].limit(Ability.CANCEL_JOB)
    uuids = [vm.uuid for each in HOST.connections for vm in each.machines]
    assert len(uuids) == len(set(uuids))

"""Draw every scene: `python -m vmsnap_tui.tui.shots [DIRECTORY] [SCENE…]`.

The same scenes as the snapshot tests, so a picture in the documentation is what the
program draws.
"""

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from vmsnap_tui.tui.scene import Scene, play

_REGISTRIES = (
    "vmsnap_tui.tui.scenes",
    "vmsnap_tui.tui.scenes_ledger",
    "vmsnap_tui.tui.scenes_libvirt",
    "vmsnap_tui.tui.scenes_operations",
)


def every_scene() -> tuple[Scene, ...]:
    """The scenes of every registry that has some."""
    found: list[Scene] = []
    for name in _REGISTRIES:
        found.extend(getattr(import_module(name), "SCENES", ()))
    return tuple(found)


async def draw(scene: Scene, size: tuple[int, int]) -> str:
    """The picture as SVG; the same text at every run."""
    with tempfile.TemporaryDirectory() as directory:
        app = scene.open(Path(directory))
        async with app.run_test(size=size) as pilot:
            await play(scene, pilot)
            return app.export_screenshot(title="vmsnap-tui")


def main(arguments: list[str]) -> int:
    """Write `DIRECTORY/<scene>-<columns>x<rows>.svg`."""
    directory = Path(arguments[0] if arguments else "screenshots")
    directory.mkdir(exist_ok=True)
    wanted = set(arguments[1:])
    for scene in every_scene():
        for size in scene.sizes:
            if not wanted or scene.name in wanted:
                path = directory / f"{scene.name}-{size[0]}x{size[1]}.svg"
                path.write_text(asyncio.run(draw(scene, size)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

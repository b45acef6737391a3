"""An operator's way through the screens, with nothing but keys, on a real machine."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.operation_stage import reached, shown, told, top
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import SMALL, until
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.points import PointsScreen
from vmsnap_tui.tui.screens.restore_form import RestoreForm
from vmsnap_tui.tui.screens.run_watch import RunWatch

StartMachine = Callable[..., Awaitable[Machine]]

pytestmark = pytest.mark.qemu


def app_on(machine: Machine, directory: Path) -> VmsnapApp:
    settings = Settings(
        (machine.connection,), directory / "repository", directory / "state"
    )
    return VmsnapApp(Engine(settings), place="lab")


async def back_up(pilot: Pilot[None]) -> None:
    """`b`, enter, enter, and enter again when it is done."""
    await pilot.press("b", "enter")
    await reached(pilot, PlanReview)
    await pilot.press("enter")
    await reached(pilot, RunWatch)
    await until(pilot, lambda: top(pilot, RunWatch).over)
    assert "✓ done" in shown(pilot), shown(pilot)
    await pilot.press("enter")
    await reached(pilot, HomeScreen)


async def test_three_keys_make_a_point_and_restoring_it_gives_the_bytes_back(
    machine: StartMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    web = await machine(DiskSpec("vda", size_bytes=32 << 20), DiskSpec("vdb", "raw"))
    await web.qemu_io("vda", "write -P 0x5a 1M 3M")
    app = app_on(web, tmp_path)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: app.observed.records_read)
        await back_up(pilot)
        await web.qemu_io("vda", "write -P 0xc3 2M 9M")
        await back_up(pilot)
        points = app.engine.points()
        assert [type(each) for each in points] == [StoredPoint, StoredPoint]

        await pilot.press("p")
        listed = await reached(pilot, PointsScreen)
        await until(pilot, lambda: listed.chosen is not None)
        await pilot.press("v")
        await until(pilot, lambda: "is whole" in told(pilot))
        await pilot.press("r")
        form = await reached(pilot, RestoreForm)
        await until(pilot, lambda: form.plan is not None)
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        await pilot.press("enter")
        watch = await reached(pilot, RunWatch)
        await until(pilot, lambda: watch.over)
        result = watch.view.result
        assert result is not None and "✓ done" in shown(pilot), shown(pilot)

    await web.stop()  # only then is all that it wrote in its files
    assert [disk.target for disk in result.disks] == ["vda", "vdb"]
    for disk in result.disks:
        source = web.active(disk.target)
        kind = "raw" if disk.target == "vdb" else "qcow2"
        compare = ["qemu-img", "compare", "-f", kind, "-F", "qcow2"]
        subprocess.run([*compare, source, disk.file], check=True)

"""An operator's way through the screens, with nothing but keys, on a real machine."""

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.operation_stage import reached, shown, top
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.plan.steps import AwaitJobs
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import SMALL, until
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.doctor import DoctorScreen
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
        await until(pilot, lambda: "is whole" in shown(pilot))
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


async def throttled(pilot: Pilot[None]) -> RunWatch:
    """A backup so slow that it can be met in the middle of its copy."""
    await pilot.press("b")
    form = await reached(pilot, BackupForm)
    await pilot.press("up", *"1M")
    await until(pilot, lambda: form.settled)
    await pilot.press("enter")
    await reached(pilot, PlanReview)
    await pilot.press("enter")
    watch = await reached(pilot, RunWatch)
    await until(pilot, lambda: copies(watch))
    return watch


def copies(watch: RunWatch) -> bool:
    current = watch.view.current
    return current is not None and isinstance(watch.view.plan.steps[current], AwaitJobs)


async def test_stopping_takes_everything_back(
    machine: StartMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    web = await machine(DiskSpec("vda", size_bytes=32 << 20))
    await web.qemu_io("vda", "write -P 0x5a 1M 8M")
    app = app_on(web, tmp_path)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: app.observed.records_read)
        watch = await throttled(pilot)
        await pilot.press("x")
        await reached(pilot, ConfirmDialog)
        await pilot.press("right", "enter")
        await until(pilot, lambda: watch.over)
        assert "↶ cancelled, and undone" in shown(pilot)
        assert app.engine.points() == ()
        await app.engine.refresh()
        (vm,) = app.engine.fleet[0].vms
        assert vm.jobs == ()
        assert [b for d in vm.disks for i in d.chain for b in i.bitmaps] == []


async def test_what_was_left_in_the_middle_is_found_and_finished(
    machine: StartMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    web = await machine(DiskSpec("vda", size_bytes=32 << 20))
    await web.qemu_io("vda", "write -P 0x5a 1M 2M")
    app = app_on(web, tmp_path)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: app.observed.records_read)
        await throttled(pilot)
    later = app_on(web, tmp_path)
    async with later.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: later.observed.records_read)
        await pilot.press("d")
        doctor = await reached(pilot, DoctorScreen)
        await until(pilot, lambda: doctor.chosen is not None)
        assert "unfinished-operation" in shown(pilot)
        await pilot.press("R")
        await reached(pilot, ConfirmDialog)
        await pilot.press("right", "enter")
        watch = await reached(pilot, RunWatch)
        await until(pilot, lambda: watch.over)
        assert "✓ done" in shown(pilot), shown(pilot)
        (point,) = later.engine.points()
        assert isinstance(point, StoredPoint)

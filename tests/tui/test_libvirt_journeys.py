"""An operator's way through the screens on libvirt, with nothing but keys."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.conftest import StartDomain, StartLibvirtd
from tests.tui.operation_stage import ScreenT, shown, told, top
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import RunResult
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import SMALL, WIDE
from vmsnap_tui.tui.scene import until as work_until
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.doctor import DoctorScreen
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.screens.jobs import JobsScreen
from vmsnap_tui.tui.screens.ledger import LedgerScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.points import PointsScreen
from vmsnap_tui.tui.screens.restore_form import RestoreForm
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.screens.vm import VmScreen
from vmsnap_tui.units import MiB

pytestmark = pytest.mark.libvirt

PATIENCE_S = 30.0

AtHome = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtHome:
    """`async with at_home(uri, size=) as pilot`: Home, once all has been read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    @asynccontextmanager
    async def home(
        uri: str, size: tuple[int, int] = SMALL
    ) -> AsyncIterator[Pilot[None]]:
        there = tmp_path / "repository", tmp_path / "state"
        app = VmsnapApp(Engine(Settings((uri,), *there)), place="lab")
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.observed.records_read)
            yield pilot

    return home


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Else the test fails with what was on the screen."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await work_until(pilot, condition)
    except TimeoutError:
        pytest.fail(f"{shown(pilot)}\n{told(pilot)}")


async def reached(pilot: Pilot[None], kind: type[ScreenT]) -> ScreenT:
    await until(pilot, lambda: isinstance(pilot.app.screen, kind))
    return top(pilot, kind)


def app_of(pilot: Pilot[None]) -> VmsnapApp:
    assert isinstance(pilot.app, VmsnapApp)
    return pilot.app


def points_of(pilot: Pilot[None]) -> list[StoredPoint]:
    found = app_of(pilot).engine.points()
    whole = [each for each in found if isinstance(each, StoredPoint)]
    assert len(whole) == len(found)
    return whole


def levels_of(point: StoredPoint) -> dict[str, str]:
    return {disk.target: disk.level.value for disk in point.point.disks}


async def run_through(pilot: Pilot[None], *keys: str) -> RunResult:
    """These keys, enter at the plan, until it is done."""
    await pilot.press(*keys)
    await reached(pilot, PlanReview)
    await pilot.press("enter")
    watch = await reached(pilot, RunWatch)
    await until(pilot, lambda: watch.over)
    result = watch.view.result
    assert result is not None and "✓ done" in shown(pilot), shown(pilot)
    return result


async def back_home(pilot: Pilot[None]) -> None:
    await pilot.press("enter")
    await reached(pilot, HomeScreen)
    newest = points_of(pilot)[-1].point
    last = app_of(pilot).observed.last_point
    await until(
        pilot, lambda: (p := last(newest.vm_key)) is not None and p.point == newest
    )


async def test_three_keys_make_a_point_and_as_many_give_the_bytes_back(
    domain: StartDomain, at_home: AtHome
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=32 * MiB), DiskSpec("vdb", "raw"))
    await web.qemu_io("vda", "write -P 0x5a 1M 3M")
    await web.qemu_io("vdb", "write -P 0x77 0 1M")
    async with at_home(web.connection) as pilot:
        await run_through(pilot, "b", "enter")
        [first] = points_of(pilot)
        assert levels_of(first) == {"vda": "full", "vdb": "full"}
        await back_home(pilot)

        await web.qemu_io("vda", "write -P 0xc3 2M 9M")
        await run_through(pilot, "b", "enter")
        second = points_of(pilot)[-1]
        assert levels_of(second) == {"vda": "incremental", "vdb": "full"}
        await back_home(pilot)

        restored = await run_through(pilot, "r", "enter")
    await web.destroy()
    assert all(second.point.id in disk.file for disk in restored.disks)
    assert [disk.target for disk in restored.disks] == ["vda", "vdb"]
    for disk in restored.disks:
        kind = "raw" if disk.target == "vdb" else "qcow2"
        compare = ["qemu-img", "compare", "-f", kind, "-F", "qcow2"]
        source = str(web.active(disk.target))
        subprocess.run([*compare, source, disk.file], check=True)


async def test_after_a_backup_home_never_says_that_the_tracking_is_lost(
    domain: StartDomain, at_home: AtHome
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=32 * MiB))
    await web.qemu_io("vda", "write -P 0x5a 1M 3M")
    async with at_home(web.connection, WIDE) as pilot:
        for _ in range(2):
            await run_through(pilot, "b", "enter")
            await back_home(pilot)
            home = top(pilot, HomeScreen)
            seen: list[str] = []
            while "tracking ok" not in (text := shown(pilot)):
                seen.append(text)
                assert "tracking lost" not in text, text
                await pilot.pause()
            await web.qemu_io("vda", "write -P 0x11 4M 1M")
            assert home.vm_key == web.uuid, seen


async def test_the_ledger_and_the_doctor_find_nothing_amiss_after_a_backup(
    domain: StartDomain, at_home: AtHome
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=32 * MiB))
    async with at_home(web.connection) as pilot:
        await run_through(pilot, "b", "enter")
        await back_home(pilot)
        await pilot.press("l")
        await reached(pilot, LedgerScreen)
        [point] = points_of(pilot)
        await until(pilot, lambda: point.point.id[-8:] in shown(pilot))
        await pilot.press("escape", "d")
        doctor = await reached(pilot, DoctorScreen)
        await until(pilot, lambda: "nothing is stale" in shown(pilot))
        assert doctor.chosen is None
        await pilot.press("escape", "p")
        listed = await reached(pilot, PointsScreen)
        await until(pilot, lambda: listed.chosen is not None)


async def test_a_merge_by_somebody_else_is_in_the_ledger_and_repaired_from_it(
    domain: StartDomain, at_home: AtHome
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=32 * MiB))
    async with at_home(web.connection) as pilot:
        await run_through(pilot, "b", "enter")
        [point] = points_of(pilot)
        name = point.point.disks[0].bitmap
        forget = ["checkpoint-delete", "web-01", name, "--metadata"]
        await web.libvirtd.virsh(*forget)
        await back_home(pilot)
        await pilot.press("l")
        await reached(pilot, LedgerScreen)
        await until(pilot, lambda: not top(pilot, LedgerScreen).why_not("repair"))
        await run_through(pilot, "R")
        assert name in await web.libvirtd.virsh("checkpoint-list", "web-01", "--name")
        await pilot.press("enter", "escape")
        await reached(pilot, HomeScreen)
        await run_through(pilot, "b", "enter")
        assert levels_of(points_of(pilot)[-1]) == {"vda": "incremental"}


async def test_what_libvirt_cannot_do_says_why(
    domain: StartDomain, at_home: AtHome
) -> None:
    """A job and its row are there long enough: QEMU is held to 1 MiB/s."""
    web = await domain(DiskSpec("vda", size_bytes=512 * MiB))
    await web.qemu_io("vda", "write -P 0x5a 0 256M")
    async with at_home(web.connection) as pilot:
        await pilot.press("b")
        form = await reached(pilot, BackupForm)
        await until(pilot, lambda: form.settled)
        assert "libvirt's backups are not compressed" in shown(pilot)
        await pilot.press("up", *"1M")
        await until(pilot, lambda: form.settled)
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        await pilot.press("enter")
        watch = await reached(pilot, RunWatch)
        app = app_of(pilot)
        await until(pilot, lambda: bool(app.observed.all_jobs))
        await pilot.press("escape")
        await reached(pilot, HomeScreen)
        await pilot.press("j")
        jobs = await reached(pilot, JobsScreen)
        await until(pilot, lambda: jobs.jobs.selected is not None)
        assert not jobs.why_not("cancel")
        await pilot.press("space")
        await until(pilot, lambda: "neither pause a job nor resume it" in told(pilot))
        await pilot.press("escape", "w")
        watch = await reached(pilot, RunWatch)
        await pilot.press("x")
        await reached(pilot, ConfirmDialog)
        await pilot.press("right", "enter")
        await until(pilot, lambda: watch.over)
        assert "↶ cancelled, and undone" in shown(pilot), shown(pilot)
        assert points_of(pilot) == []
    assert await web.libvirtd.virsh("checkpoint-list", "web-01", "--name") == ""


async def test_a_machine_that_is_off_says_what_it_takes(
    domain: StartDomain, at_home: AtHome
) -> None:
    web = await domain(off=True)
    async with at_home(web.connection) as pilot:
        await pilot.press("b")
        await until(pilot, lambda: "the machine to run" in told(pilot))
        assert isinstance(pilot.app.screen, HomeScreen)
        await pilot.press("enter")
        await reached(pilot, VmScreen)


async def test_with_the_right_to_look_alone_everything_is_seen_and_nothing_done(
    domain: StartDomain, libvirtd: StartLibvirtd, at_home: AtHome
) -> None:
    daemon = await libvirtd(others="read")
    web = await domain(DiskSpec("vda", size_bytes=32 * MiB), daemon=daemon)
    async with at_home(web.connection) as pilot:
        await run_through(pilot, "b", "enter")
    async with at_home(daemon.read_only_uri) as pilot:
        home = top(pilot, HomeScreen)
        assert "web-01" in shown(pilot)
        await until(pilot, lambda: "read-only" in shown(pilot))
        for action in ("backup", "freeze"):
            assert "read-only" in home.why_not(action), home.why_not(action)
        await pilot.press("b")
        await until(pilot, lambda: "read-only" in told(pilot))
        await pilot.press("f", "r")
        await reached(pilot, RestoreForm)
        await pilot.press("escape", "l")
        ledger = await reached(pilot, LedgerScreen)
        assert "read-only" in ledger.why_not("repair")
        await pilot.press("R", "escape", "d")
        await reached(pilot, DoctorScreen)
        await pilot.press("escape", "j")
        await reached(pilot, JobsScreen)
        await pilot.press("space", "x", "escape", "enter")
        await reached(pilot, VmScreen)
        await until(pilot, lambda: "32 MiB" in shown(pilot) or "32.0" in shown(pilot))
        assert "read-only" in shown(pilot)


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_a_libvirt_that_is_not_there_is_told_with_its_remedy_until_it_is(
    domain: StartDomain,
    libvirtd: StartLibvirtd,
    at_home: AtHome,
    size: tuple[int, int],
) -> None:
    daemon = await libvirtd()
    await domain(off=True, daemon=daemon)
    await daemon.terminate()
    async with at_home(daemon.uri, size) as pilot:
        await until(pilot, lambda: "down" in shown(pilot))
        text = shown(pilot)
        assert "no libvirtd listens there" in text and "start the libvirtd of" in text
        await daemon.start()
        await until(pilot, lambda: "web-01" in shown(pilot))
        assert "down" not in shown(pilot)


@pytest.mark.guest
async def test_a_guest_is_frozen_by_hand_and_for_a_backup(
    guest_domain: StartDomain, at_home: AtHome
) -> None:
    web: Domain = await guest_domain()
    async with at_home(web.connection, WIDE) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: "agent connected" in shown(pilot))
        await pilot.press("f")
        await reached(pilot, ConfirmDialog)
        await pilot.press("right", "enter")
        await until(pilot, lambda: "its file systems are frozen" in shown(pilot))
        assert app.observed.alarm_count == 1
        await until(pilot, lambda: "file systems were frozen for" in told(pilot))
        assert app.observed.alarm_count == 0
        await run_through(pilot, "b", "enter")
        [point] = points_of(pilot)
        assert point.point.consistency.value == "fs-frozen"
        window_s = point.point.freeze_window_s
        assert window_s is not None and window_s < 10
    assert await web.libvirtd.virsh("domfsinfo", "web-01")

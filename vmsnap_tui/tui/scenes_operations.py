"""The scenes of the screens that plan, run and restore."""

import asyncio
from pathlib import Path

from textual.screen import Screen

from vmsnap_tui.engine.doctor import Finding
from vmsnap_tui.engine.journal import Unfinished
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.tui import fixed_operations as fixed
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.fixed_operations import KEY, OPERATION, backup_plan
from vmsnap_tui.tui.scene import SMALL, Scene
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.doctor import DoctorScreen
from vmsnap_tui.tui.screens.form import FormScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.points import PointsScreen
from vmsnap_tui.tui.screens.restore_form import RestoreForm
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillApp, StillEngine, still_run

__all__ = ["KEY", "OPERATION", "SCENES", "backup_plan"]

_STALE = PlanRefused(
    "the machine has changed since this plan was made",
    evidence="vda; now vda: full, the record of changes is missing in"
    " /srv/vm/web-01.s2.qcow2",
    remedy="make the plan again and read it",
)
_NO_ROOM = PlanRefused(
    "the repository has no room for this point",
    evidence="it may take 3609100288 bytes (3.36 GiB), free are 1288490188"
    " (1.20 GiB) in /var/spool/vmsnap",
    remedy="make room, leave disks out, or use another --repo",
)
INTERRUPTED = Unfinished(
    operation=fixed.OPERATION,
    title="backup web-01",
    vm=fixed.KEY,
    vm_name="web-01",
    point=fixed.NEW,
    started_utc="2026-11-20T11:41:02.000Z",
    owner="process 4711 on atlas",
    alive=False,
    will="goes on: conclude all jobs together",
)
FINDINGS = (
    Finding(
        "unfinished-operation",
        f"backup web-01 ({fixed.OPERATION})",
        "begun by process 4711 on atlas; recovery goes on: conclude all jobs together",
        f"run `vmsnap-tui recover {fixed.OPERATION} --yes`",
        "alarm",
    ),
    Finding(
        "damaged-point",
        "web-01 20261117T030000-77aa01fe",
        "its manifest is empty",
        "restore another point, or put this one back from a copy",
        "alarm",
    ),
    Finding(
        "connection-down",
        "qmp:///run/vm/db-01.qmp",
        "nobody listens on the socket (connection refused)",
        "start the machine, or leave the connection out",
        "warning",
    ),
    Finding(
        "inconsistent-bitmap",
        f"web-01 vdb: {fixed.BITMAP_PREFIX}{fixed.SECOND}",
        "QEMU was killed while it recorded in /srv/vm/web-01-data.qcow2",
        "nothing: the next backup of this disk is a full and drops it",
        "note",
    ),
)


def _form() -> Screen[None]:
    return BackupForm(fixed.KEY)


def _points() -> Screen[None]:
    return PointsScreen(fixed.KEY)


def _backup(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web()), _form)


def _backup_silent(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web(answers=False)), _form)


def _backup_refused(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web(), refusal=_NO_ROOM), _form)


def _plan(directory: Path) -> StillApp:
    return StillApp(
        StillEngine(fixed.web()),
        lambda: PlanReview(fixed.backup_plan()),
    )


def _plan_restore(directory: Path) -> StillApp:
    return StillApp(
        StillEngine(fixed.web()),
        lambda: PlanReview(fixed.restore_plan()),
    )


def _copying(directory: Path) -> StillApp:
    run = still_run(fixed.copying(), fixed.backup_plan())
    engine = StillEngine(fixed.web(), jobs=fixed.job_views())
    return StillApp(engine, lambda: RunWatch(run))


def _sealing(directory: Path) -> StillApp:
    run = still_run(fixed.sealing(), fixed.backup_plan())
    return StillApp(StillEngine(fixed.web()), lambda: RunWatch(run))


def _completed(directory: Path) -> StillApp:
    run = still_run(fixed.completed(), fixed.backup_plan())
    return StillApp(StillEngine(fixed.web()), lambda: RunWatch(run))


def _failed(directory: Path) -> StillApp:
    run = still_run(fixed.failed(), fixed.backup_plan())
    return StillApp(StillEngine(fixed.web()), lambda: RunWatch(run))


def _stale(directory: Path) -> StillApp:
    run = still_run((), fixed.backup_plan(), _STALE)
    return StillApp(StillEngine(fixed.web()), lambda: RunWatch(run))


def _listed(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web(), entries=fixed.listing()), _points)


def _listed_none(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web()), _points)


def _restore(directory: Path) -> StillApp:
    def form() -> Screen[None]:
        return RestoreForm(fixed.THIRD, Path("/nowhere/root"))

    return StillApp(StillEngine(fixed.web(), entries=fixed.listing()), form)


def _doctor(directory: Path) -> StillApp:
    engine = StillEngine(fixed.web(), findings=FINDINGS, interrupted=(INTERRUPTED,))
    return StillApp(engine, DoctorScreen)


def _doctor_well(directory: Path) -> StillApp:
    return StillApp(StillEngine(fixed.web()), DoctorScreen)


async def _planned(app: VmsnapApp) -> None:
    """Until the preflight has answered."""
    form = app.screen
    assert isinstance(form, FormScreen)
    while not form.settled:
        await asyncio.sleep(0)


async def _listed_all(app: VmsnapApp) -> None:
    """Until the repository was read."""
    points = app.screen
    assert isinstance(points, PointsScreen)
    while not points.listed:
        await asyncio.sleep(0)


async def _looked(app: VmsnapApp) -> None:
    """Until the examination is over."""
    doctor = app.screen
    assert isinstance(doctor, DoctorScreen)
    while doctor.findings is None:
        await asyncio.sleep(0)


async def _watched(app: VmsnapApp) -> None:
    """Until the run's history was heard."""
    watch = app.screen
    assert isinstance(watch, RunWatch)
    while not watch.heard_all:
        await asyncio.sleep(0)


SCENES: tuple[Scene, ...] = (
    Scene("backup-form", _backup, act=_planned),
    Scene("backup-form-agent-silent", _backup_silent, act=_planned, sizes=(SMALL,)),
    Scene("backup-form-refused", _backup_refused, act=_planned, sizes=(SMALL,)),
    Scene("plan", _plan),
    Scene("plan-commands", _plan, keys=("c",)),
    Scene("plan-of-restore", _plan_restore, sizes=(SMALL,)),
    Scene("run-copying", _copying, act=_watched),
    Scene("run-reading-back", _sealing, act=_watched, sizes=(SMALL,)),
    Scene("run-cancel", _copying, keys=("x",), act=_watched, sizes=(SMALL,)),
    Scene("run-done", _completed, act=_watched),
    Scene("run-undone", _failed, act=_watched),
    Scene("run-refused", _stale, act=_watched, sizes=(SMALL,)),
    Scene("points", _listed, act=_listed_all),
    Scene("points-details", _listed, ("enter",), _listed_all, (SMALL,)),
    Scene("points-none", _listed_none, act=_listed_all, sizes=(SMALL,)),
    Scene("restore-form", _restore, act=_planned),
    Scene("doctor", _doctor, act=_looked),
    Scene("doctor-recover", _doctor, ("R",), _looked, (SMALL,)),
    Scene("doctor-well", _doctor_well, act=_looked, sizes=(SMALL,)),
)

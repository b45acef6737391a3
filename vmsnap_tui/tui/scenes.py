"""The scenes of the fleet, one machine, jobs, events, help and the dialogs."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.backends.qmp.limits import limits_of
from vmsnap_tui.engine.events import JobsMoved, JobView
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.job import Job, JobStatus, job_id
from vmsnap_tui.model.point import (
    Consistency,
    DiskLevel,
    Parent,
    Point,
    StoredDisk,
    Verification,
    VerifyLevel,
)
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.fixed_operations import KEY, OPERATION, backup_plan
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import SMALL, WIDE, Act, Scene, nothing
from vmsnap_tui.tui.still import NOW, Still, StillConnection, still_app
from vmsnap_tui.units import GiB, KiB, MiB

_IDS = (
    "20261118T030000Z-5a1b77c0",
    "20261119T030001Z-9c02d4e1",
    "20261120T030000Z-31f0a2bd",
)
_INSTANTS = (
    "2026-11-18T03:00:00.000Z",
    "2026-11-19T03:00:01.000Z",
    "2026-11-20T03:00:00.000Z",
)
_BITMAP = "vmsnap-4e1f20ab-"
_QEMU = Capabilities((10, 0, 2), graph_safe_during_jobs=True)


def uri(name: str) -> str:
    return f"qmp:///run/vm/{name}.qmp?agent=/run/vm/{name}.qga"


def disk(
    target: str, size: int, chain: tuple[tuple[str, int], ...], dirty: int | None
) -> Disk:
    """`chain` is names and allocated bytes; `dirty` None has no bitmap."""
    bitmap = Bitmap(_BITMAP + _IDS[-1], 64 * KiB, dirty or 0, True, False, False, True)
    images = tuple(
        Image(
            f"/srv/vm/{name}",
            name.rsplit(".", 1)[-1],
            f"{target}-{number}",
            size,
            allocated,
            read_only=number > 0,
            bitmaps=(bitmap,) if dirty is not None and number == 0 else (),
            can_persist_bitmaps=name.endswith("qcow2"),
        )
        for number, (name, allocated) in enumerate(chain)
    )
    return Disk(target, f"/machine/{target}", images)


def machine(
    name: str,
    uuid: str,
    state: VmState,
    disks: tuple[Disk, ...],
    *,
    answers: bool | None = True,
) -> Vm:
    agent = None if answers is None else Agent(f"/run/vm/{name}.qga", answers)
    vm = Vm(name, uuid, uri(name), state, state.value, disks, (), agent, _QEMU)
    return replace(vm, limits=limits_of(_QEMU, disks))


WEB = machine(
    "web-01",
    KEY,
    VmState.RUNNING,
    (
        disk(
            "vda",
            40 * GiB,
            (
                ("web-01.s2.qcow2", 1200 * MiB),
                ("web-01.s1.qcow2", 3100 * MiB),
                ("web-01.qcow2", 22 * GiB),
            ),
            312 * MiB,
        ),
        disk("vdb", 100 * GiB, (("web-01-data.qcow2", 41 * GiB),), 84 * MiB),
    ),
)
DB = machine(
    "db-01",
    "0b8f5f0e-62a7-4a4e-9d5b-8a4d9c3f7a02",
    VmState.IO_ERROR,
    (disk("vda", 200 * GiB, (("db-01.qcow2", 131 * GiB),), 9318 * MiB),),
)
MAIL = machine(
    "mail-01",
    "71c1a2b3-0d1e-4f5a-8b6c-9d0e1f2a3b03",
    VmState.RUNNING,
    (disk("vda", 80 * GiB, (("mail-01.raw", 63 * GiB),), None),),
    answers=False,
)
BUILD = machine(
    "build-02",
    "8e2d3c4b-5a69-4788-96a5-b4c3d2e1f004",
    VmState.PAUSED,
    (disk("vda", 20 * GiB, (("build-02.qcow2", 6 * GiB),), 0),),
    answers=None,
)
CACHE = machine(
    "cache-03",
    "9f3e4d5c-6b7a-4899-a7b6-c5d4e3f20105",
    VmState.RUNNING,
    (disk("vda", 16 * GiB, (("cache-03.qcow2", 2 * GiB),), 5 * MiB),),
)


def point(vm: Vm, number: int, sizes: dict[str, int]) -> Point:
    """The machine's point of one of three nights; the first is full."""
    parent = Parent(_IDS[number - 1], "0" * 64) if number else None
    name, at = f"{_IDS[number][:-8]}{vm.uuid[:8]}", _INSTANTS[number]
    if parent:
        parent = Parent(f"{_IDS[number - 1][:-8]}{vm.uuid[:8]}", "0" * 64)
    disks = tuple(
        StoredDisk(
            target,
            f"disk-{target}.qcow2",
            DiskLevel.INCREMENTAL if parent else DiskLevel.FULL,
            "tracking is intact" if parent else "the first point",
            parent,
            found.virtual_bytes,
            size,
            "0" * 64,
            _BITMAP + _IDS[-1],
            found.active.path,
            found.active.format,
        )
        for target, size in sizes.items()
        if (found := vm.disk(target))
    )
    window = 0.118 if number else None
    how = Consistency.FS_FROZEN if number else Consistency.CRASH
    return Point(name, vm.name, vm.uuid, vm.key, number + 1, at, how, window, disks)


_CHECKED = Verification(VerifyLevel.CHECKSUMS, "2026-11-20T03:12:00.000Z", ok=True)

FLEET = Still(
    connections=(
        StillConnection(uri("web-01"), WEB),
        StillConnection(uri("db-01"), DB),
        StillConnection(uri("mail-01"), MAIL),
        StillConnection(uri("build-02"), BUILD),
        StillConnection(
            uri("cache-03"), CACHE, lost="the socket was closed by the other side"
        ),
        StillConnection(
            "qmp:///run/vm/test.qmp",
            refused="the monitor is busy: another client holds it"
            " (/run/vm/test.qmp); close that client, or give QEMU a second -qmp",
        ),
    ),
    points=(
        (WEB, point(WEB, 0, {"vda": 23 * GiB, "vdb": 41 * GiB}), _CHECKED),
        (WEB, point(WEB, 1, {"vda": 540 * MiB, "vdb": 190 * MiB}), _CHECKED),
        (WEB, point(WEB, 2, {"vda": 198 * MiB, "vdb": 77 * MiB}), _CHECKED),
        (DB, point(DB, 0, {"vda": 120 * GiB}), None),
        (CACHE, point(CACHE, 2, {"vda": 2 * GiB}), None),
    ),
)
INTERRUPTED = Still(FLEET.connections, FLEET.points, (backup_plan(),))
EMPTY = Still()
UNREACHABLE = Still(connections=FLEET.connections[-1:])


def jobs() -> tuple[JobView, ...]:
    """A backup of two disks as it moves."""
    return (
        _job("vda", 193 * MiB, 312 * MiB, 112 * MiB, 1.1, 0.0012),
        _job("vdb", 34 * GiB, 41 * GiB, 201 * MiB, 35.0, None),
    )


def _job(
    target: str, done: int, total: int, rate: float, eta_s: float, latency: float | None
) -> JobView:
    return JobView(
        vm=KEY,
        vm_name="web-01",
        job=Job(
            job_id(OPERATION, target),
            "backup",
            JobStatus.RUNNING,
            done,
            total,
            speed_bytes_per_s=256 * MiB if latency is None else 0,
            target=target,
        ),
        title="backup web-01",
        rate_bytes_per_s=rate,
        eta_s=eta_s,
        write_latency_s=latency,
        rates=(1.0, 4.0, 6.0, 5.0, 8.0, 7.0, 8.0, 8.0),
        latencies=(0.2, 0.4, 0.2, 0.7, 0.4, 0.3, 0.9, 0.4) if latency else (),
    )


def start_jobs(app: VmsnapApp) -> None:
    """Jobs move, as the engine would tell it."""
    app.post_message(EngineSpoke(JobsMoved(KEY, jobs())))


def _stalled_jobs(app: VmsnapApp) -> None:
    start_jobs(app)
    stalled = JobView(
        vm=DB.key,
        vm_name="db-01",
        job=Job(
            "drive-backup-7",
            "backup",
            JobStatus.PAUSED,
            12 * GiB,
            131 * GiB,
            io_status="nospace",
            target="vda",
        ),
        title="backup drive-backup-7",
        idle_s=184.0,
    )
    app.post_message(EngineSpoke(JobsMoved(DB.key, (stalled,))))


def _wire(app: VmsnapApp) -> None:
    base = NOW.timestamp() - 60
    job = job_id(OPERATION, "vda")
    heard: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (KEY, "JOB_STATUS_CHANGE", {"status": "created", "id": job}),
        (KEY, "JOB_STATUS_CHANGE", {"status": "running", "id": job}),
        (MAIL.key, "RESUME", {}),
        (DB.key, "BLOCK_IO_ERROR", {"device": "", "reason": "No space left on device"}),
        (DB.key, "STOP", {}),
        (WEB.key, "VSERPORT_CHANGE", {"open": True, "id": "agent"}),
        (KEY, "JOB_STATUS_CHANGE", {"status": "pending", "id": job}),
    )
    for number, (vm, name, data) in enumerate(heard):
        at_s = base + number * 7.25
        app.post_message(EngineSpoke(WireHeard(vm, name, data, at_s)))


def _scene(
    name: str,
    still: Still,
    keys: tuple[str, ...] = (),
    act: Act = nothing,
    *,
    theme: str = "graphite",
    sizes: tuple[tuple[int, int], ...] = (SMALL, WIDE),
) -> Scene:
    down = sum(bool(each.refused or each.lost) for each in still.connections)
    return Scene(name, partial(_opened, still, theme), keys, act, sizes, down)


def _opened(still: Still, theme: str, directory: Path) -> VmsnapApp:
    return still_app(still, directory, theme)


_TO_WEB = ("down", "down", "down", "down")
"""Alarms come first, then names: web-01 is the last that is up."""

SCENES: tuple[Scene, ...] = (
    _scene("home", FLEET, _TO_WEB, start_jobs),
    _scene("home-paper", FLEET, _TO_WEB, start_jobs, theme="paper"),
    _scene("home-alarm", FLEET),
    _scene("home-interrupted", INTERRUPTED, _TO_WEB),
    _scene("home-no-connection", EMPTY),
    _scene("home-unreachable", UNREACHABLE, sizes=(WIDE,)),
    _scene("home-filter", FLEET, ("slash", "0", "1"), sizes=(SMALL,)),
    _scene("vm", FLEET, (*_TO_WEB, "enter")),
    _scene("jobs", INTERRUPTED, ("j",), _stalled_jobs),
    _scene("jobs-none", FLEET, ("j",), sizes=(SMALL,)),
    _scene("jobs-cancel", FLEET, ("j", "x"), start_jobs, sizes=(SMALL,)),
    _scene("events", FLEET, ("e",), _wire),
    _scene("help", FLEET, ("question_mark",)),
    _scene("recover", INTERRUPTED, ("R",), sizes=(WIDE,)),
)

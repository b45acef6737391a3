"""Fixed machines, plans, points and runs that the pictures of the screens show.

The plans come from the real planner, so that a picture never shows a plan that the
program would not make.
"""

from datetime import UTC, datetime
from pathlib import Path

from vmsnap_tui.engine.events import (
    DiskResult,
    JobView,
    Outcome,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.job import Job, JobStatus, job_id
from vmsnap_tui.model.point import (
    Consistency,
    DiskLevel,
    ExcludedDisk,
    Parent,
    Point,
    StoredDisk,
    Verification,
    VerifyLevel,
)
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState
from vmsnap_tui.plan import restore
from vmsnap_tui.plan.backup import Identity, plan_backup
from vmsnap_tui.plan.levels import Shelf
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RestoreRequest
from vmsnap_tui.plan.steps import AwaitJobs, SealTarget
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.units import GiB, KiB, MiB

NOW_UTC = datetime(2026, 11, 20, 12, 4, 31, tzinfo=UTC)
OPERATION = "k7m2q9xw"
REPOSITORY = "/var/spool/vmsnap"
BITMAP_PREFIX = "vmsnap-4e1f20ab-"

FIRST = "20261118T030000-5a1b77c0"
SECOND = "20261119T030001-9c02d4e1"
THIRD = "20261120T030000-31f0a2bd"
NEW = "20261120T120431-d2b61c9e"

UUID = "6f1d9a52-3a0c-4c8e-9a57-0d6f3f6c1e01"
KEY = UUID
_DIRECTORY = Path(REPOSITORY) / "vms" / "web-01-0a1b2c3d4e5f" / "points"


def web(state: VmState = VmState.RUNNING, *, answers: bool = True) -> Vm:
    """A web server: two disks that are tracked, and a CD that takes no part."""
    return Vm(
        name="web-01",
        uuid=UUID,
        connection="qmp:///run/vm/web-01.qmp",
        state=state,
        status=state.value,
        disks=(
            _disk("vda", 40 * GiB, ("web-01.s1", "web-01"), dirty_bytes=312 * MiB),
            _disk("vdb", 100 * GiB, ("web-01-data",), dirty_bytes=0, tracked=False),
            Disk("ide1-cd0", "/machine/ide1-cd0", (), unfit="it is empty"),
        ),
        agent=Agent("/run/vm/web-01.qga", answers),
        capabilities=Capabilities((10, 0, 2), graph_safe_during_jobs=True),
    )


def _disk(
    target: str,
    virtual_bytes: int,
    names: tuple[str, ...],
    *,
    dirty_bytes: int,
    tracked: bool = True,
) -> Disk:
    bitmap = Bitmap(
        BITMAP_PREFIX + THIRD, 64 * KiB, dirty_bytes, True, False, False, True
    )
    chain = tuple(
        Image(
            path=f"/srv/vm/{name}.qcow2",
            format="qcow2",
            node=f"{target}-{number}",
            virtual_bytes=virtual_bytes,
            allocated_bytes=3 * GiB + number * 19 * GiB,
            read_only=number > 0,
            bitmaps=(bitmap,) if tracked and number == 0 else (),
            can_persist_bitmaps=True,
        )
        for number, name in enumerate(names)
    )
    return Disk(target, f"/machine/{target}", chain)


def shelf(free_bytes: int = 412 * GiB) -> Shelf:
    """What the repository holds of the machine."""
    newest = stored_points()[2].point
    return Shelf(
        path=REPOSITORY,
        bitmap_prefix=BITMAP_PREFIX,
        next_seq=4,
        free_bytes=free_bytes,
        newest={"vda": newest},
        broken={},
        depth={"vda": 3},
    )


def backup_plan(request: BackupRequest | None = None, vm: Vm | None = None) -> Plan:
    """The planner's answer to a request; raises what it raises."""
    wanted = request or BackupRequest(vm=KEY, quiesce=True)
    return plan_backup(vm or web(), wanted, shelf(), Identity(OPERATION, NEW))


def restore_plan(request: RestoreRequest | None = None) -> Plan:
    wanted = request or RestoreRequest(THIRD, f"/root/web-01-{THIRD}")
    stored = restore.StoredPoint(
        stored_points()[2].point,
        REPOSITORY,
        {"vda": 22 * GiB + 700 * MiB, "vdb": 41 * GiB},
        {
            "vda": tuple(f"{point}/disk-vda.qcow2" for point in (THIRD, SECOND, FIRST)),
            "vdb": (f"{THIRD}/disk-vdb.qcow2",),
        },
    )
    ground = restore.Ground(wanted.directory, frozenset(), 412 * GiB)
    return restore.plan_restore(stored, wanted, ground, OPERATION)


def stored_points() -> tuple[StoredPoint, ...]:
    """A full, an increment on it, and one that is both: one disk was new."""
    full = _stored(FIRST, 1, "2026-11-18T03:00:00.412Z", None, 22 * GiB)
    second = _stored(SECOND, 2, "2026-11-19T03:00:01.020Z", FIRST, 540 * MiB)
    third = _stored(THIRD, 3, "2026-11-20T03:00:00.118Z", SECOND, 198 * MiB, new=True)
    return full, second, third


def listing() -> tuple[StoredPoint | DamagedEntry, ...]:
    """All points, one of them damaged."""
    damaged = DamagedEntry(
        "20261117T030000-77aa01fe",
        "web-01",
        _DIRECTORY / "20261117T030000-77aa01fe",
        "its manifest is empty",
    )
    return (damaged, *stored_points())


def _stored(
    point: str, seq: int, at_utc: str, parent: str | None, size: int, new: bool = False
) -> StoredPoint:
    disks = [_stored_disk("vda", point, parent, size, 40 * GiB)]
    if new:
        disks.append(_stored_disk("vdb", point, None, 41 * GiB, 100 * GiB))
    value = Point(
        id=point,
        vm_name="web-01",
        vm_uuid=UUID,
        vm_key=KEY,
        seq=seq,
        created_utc=at_utc,
        consistency=Consistency.FS_FROZEN if seq > 1 else Consistency.CRASH,
        freeze_window_s=0.118 if seq > 1 else None,
        disks=tuple(disks),
        excluded=(ExcludedDisk("ide1-cd0", "it is empty"),),
        qemu_version="10.0.2",
        tool_version="0.1.0",
    )
    return StoredPoint(value, _DIRECTORY / point, _VERIFIED[seq])


_VERIFIED = {
    1: Verification(VerifyLevel.CHECKSUMS, "2026-11-18T03:04:10.000Z", ok=True),
    2: Verification(
        VerifyLevel.CHECKSUMS,
        "2026-11-20T09:12:00.000Z",
        ok=False,
        findings=("disk-vda.qcow2: its sha256 is not the one of the manifest",),
    ),
    3: None,
}


def _stored_disk(
    target: str, point: str, parent: str | None, size: int, virtual_bytes: int
) -> StoredDisk:
    since = f"every write since point {parent} is recorded"
    return StoredDisk(
        target=target,
        file=f"disk-{target}.qcow2",
        level=DiskLevel.INCREMENTAL if parent else DiskLevel.FULL,
        reason=since if parent else "the first point of this disk",
        parent=Parent(parent, _digest(parent)) if parent else None,
        virtual_bytes=virtual_bytes,
        bytes=size,
        sha256=_digest(point),
        bitmap=BITMAP_PREFIX + point,
        source_path="/srv/vm/web-01.s1.qcow2",
        source_format="qcow2",
    )


def _digest(point: str) -> str:
    return (point[-8:] * 8)[:64]


def copying() -> tuple[RunEvent, ...]:
    """A backup in the middle of its copy."""
    plan = backup_plan()
    at = _index(plan, AwaitJobs)
    return (RunStarted(OPERATION, plan), *_done(plan, at), _started(plan, at))


def sealing() -> tuple[RunEvent, ...]:
    """A backup that reads back what it has written."""
    plan = backup_plan()
    at = _index(plan, SealTarget)
    return (
        RunStarted(OPERATION, plan),
        *_done(plan, at),
        _started(plan, at),
        RunProgressed(OPERATION, at, "vda", 187 * MiB, 312 * MiB),
    )


def completed() -> tuple[RunEvent, ...]:
    """A backup that is done."""
    plan = backup_plan()
    result = RunResult(
        operation=OPERATION,
        outcome=Outcome.DONE,
        title=plan.title,
        vm_name=plan.vm_name,
        point=NEW,
        level="incremental",
        disks=tuple(
            DiskResult(d.target, d.level, d.reason, d.estimated_bytes)
            for d in plan.disks
        ),
        freeze_window_s=0.118,
        consistency="fs-frozen",
        elapsed_s=96.4,
    )
    everything = _done(plan, len(plan.steps))
    return (RunStarted(OPERATION, plan), *everything, RunEnded(OPERATION, result))


def failed() -> tuple[RunEvent, ...]:
    """A backup whose target filled, taken back."""
    plan = backup_plan()
    at = _index(plan, AwaitJobs)
    error = "the copy of vdb broke (No space left on device, node vmsnap-t-1)"
    events: list[RunEvent] = [RunStarted(OPERATION, plan), *_done(plan, at)]
    events += [_started(plan, at), StepEnded(OPERATION, at, False, "", 12.9, error)]
    for index in reversed(range(at)):
        if undo := plan.steps[index].undo:
            text = undo.describe()
            events.append(StepStarted(OPERATION, index, True, text))
            events.append(StepEnded(OPERATION, index, True, text, 0.02))
    result = RunResult(
        operation=OPERATION,
        outcome=Outcome.UNDONE,
        title=plan.title,
        vm_name=plan.vm_name,
        freeze_window_s=0.118,
        elapsed_s=14.1,
        error=error,
        remedy="make room in the repository; the next backup holds every change",
        journal=f"/var/lib/vmsnap-tui/journal/{OPERATION}.jsonl",
    )
    return (*events, RunEnded(OPERATION, result))


def job_views() -> tuple[JobView, ...]:
    """Both jobs of the backup, as they move."""
    return (
        _job("vda", 193 * MiB, 312 * MiB, 412 * MiB, 0.3),
        _job("vdb", 9 * GiB, 41 * GiB, 201 * MiB, 163.0),
    )


def _job(target: str, done: int, total: int, rate: float, eta_s: float) -> JobView:
    id_ = job_id(OPERATION, target)
    job = Job(id_, "backup", JobStatus.RUNNING, done, total, target=target)
    return JobView(
        vm=KEY,
        vm_name="web-01",
        job=job,
        title="backup web-01",
        rate_bytes_per_s=rate,
        eta_s=eta_s,
        write_latency_s=0.0012,
    )


def _index(plan: Plan, kind: type) -> int:
    return next(n for n, step in enumerate(plan.steps) if isinstance(step, kind))


def _started(plan: Plan, index: int) -> StepStarted:
    return StepStarted(OPERATION, index, False, plan.steps[index].describe())


def _done(plan: Plan, until: int) -> list[RunEvent]:
    events: list[RunEvent] = []
    for index in range(until):
        text = plan.steps[index].describe()
        events.append(_started(plan, index))
        events.append(StepEnded(OPERATION, index, False, text, 0.004 * (index + 1)))
    return events

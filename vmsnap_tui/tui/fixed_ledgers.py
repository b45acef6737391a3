"""Fixed machines whose records have drifted apart, as the pictures show them.

The ledgers and repair plans are made by the real code from what stands here.
"""

from collections.abc import Mapping
from dataclasses import replace

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.point import Point
from vmsnap_tui.model.vm import Capabilities, Vm, VmState
from vmsnap_tui.plan.backup import Identity
from vmsnap_tui.plan.ledger import Kept, ledger_of
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.repair import plan_repair
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.tui import fixed_operations as fixed
from vmsnap_tui.units import GiB, KiB, MiB

FAILED = "20261120T041500-77aa01fe"
NIGHTLY = "virtnbdbackup.4"
HOSTILE = "cp [red]\x1b[2J\u202eegdelwonk [/red][@click=app.quit]go[/]"

_NEWEST = fixed.BITMAP_PREFIX + fixed.THIRD
_OLD = fixed.BITMAP_PREFIX + fixed.SECOND
_LOST = fixed.BITMAP_PREFIX + FAILED


def kept() -> Kept:
    """What the repository holds: three points, the newest of both disks."""
    points = tuple(stored.point for stored in fixed.stored_points())
    newest = _newest(points[-1])
    shelf = replace(fixed.shelf(), newest={"vda": newest, "vdb": newest})
    return Kept(shelf, (*points[:-1], newest))


def _newest(point: Point) -> Point:
    """As it was taken from the images that are active now."""
    disks = tuple(replace(disk, source_path=_path(disk.target)) for disk in point.disks)
    return replace(point, disks=disks)


def lost_metadata() -> Vm:
    """On libvirt: the newest checkpoint is lost, its bitmaps stand; a failed backup,
    another tool's checkpoint and a crashed bitmap beside it."""
    bitmaps = {
        "vda": (
            _bitmap(_NEWEST, 1200 * MiB),
            _bitmap(_LOST, 300 * MiB),
            _bitmap(NIGHTLY, 4 * GiB),
        ),
        "vdb": (
            _bitmap(_NEWEST, 84 * MiB),
            _bitmap(_LOST, 9 * MiB),
            _bitmap(NIGHTLY, 0, inconsistent=True),
        ),
    }
    records = {
        "vda": (
            Record(_OLD, broken="the record of changes is missing or broken"),
            Record(_LOST, 300 * MiB),
            Record(NIGHTLY, 4 * GiB),
        ),
        "vdb": (Record(_LOST, 9 * MiB), Record(NIGHTLY, broken="it is broken")),
    }
    checkpoints = (
        Checkpoint(_OLD, "2026-11-19T03:00:01.000Z", ("vda",)),
        Checkpoint(_LOST, "2026-11-20T04:15:00.000Z", ("vda", "vdb")),
        Checkpoint(NIGHTLY, "2026-11-20T01:00:00.000Z", ("vda", "vdb")),
    )
    return _vm(bitmaps, records, checkpoints)


def hostile() -> Vm:
    """A checkpoint whose name would like to be obeyed."""
    bitmaps = {"vda": (_bitmap(_NEWEST, 5 * MiB), _bitmap(HOSTILE, MiB)), "vdb": ()}
    records = {"vda": (Record(_NEWEST, 5 * MiB), Record(HOSTILE, MiB)), "vdb": ()}
    checkpoints = (
        Checkpoint(_NEWEST, "2026-11-20T03:00:00.000Z", ("vda",)),
        Checkpoint(HOSTILE, "2026-11-20T02:00:00.000Z", ("vda",)),
    )
    return _vm(bitmaps, records, checkpoints)


def without_records() -> Vm:
    """Never backed up, and nobody else's either."""
    return _vm({"vda": (), "vdb": ()}, {"vda": (), "vdb": ()}, ())


def whole() -> Vm:
    """Everything agrees."""
    bitmaps = {t: (_bitmap(_NEWEST, 5 * MiB),) for t in ("vda", "vdb")}
    records = {t: (Record(_NEWEST, 5 * MiB),) for t in ("vda", "vdb")}
    stamp = "2026-11-20T03:00:00.000Z"
    return _vm(bitmaps, records, (Checkpoint(_NEWEST, stamp, ("vda", "vdb")),))


def repair_plan(vm: Vm, request: RepairRequest) -> Plan:
    """The planner's answer; raises what it raises."""
    ledger = ledger_of(vm, kept())
    return plan_repair(vm, ledger, kept(), request, Identity(fixed.OPERATION, ""))


def _vm(
    bitmaps: Mapping[str, tuple[Bitmap, ...]],
    records: Mapping[str, tuple[Record, ...]],
    checkpoints: tuple[Checkpoint, ...],
) -> Vm:
    return Vm(
        name="web-01",
        uuid=fixed.UUID,
        connection="qemu:///system",
        state=VmState.RUNNING,
        status="running",
        disks=(
            _disk("vda", 40 * GiB, bitmaps, records),
            _disk("vdb", 100 * GiB, bitmaps, records),
        ),
        capabilities=Capabilities((7, 2, 22), libvirt_version=(9, 0, 0)),
        checkpoints=checkpoints,
        snapshots=(),
    )


def _disk(
    target: str,
    virtual_bytes: int,
    bitmaps: Mapping[str, tuple[Bitmap, ...]],
    records: Mapping[str, tuple[Record, ...]],
) -> Disk:
    image = Image(
        path=_path(target),
        format="qcow2",
        node=target,
        virtual_bytes=virtual_bytes,
        allocated_bytes=22 * GiB,
        read_only=False,
        bitmaps=bitmaps[target],
        can_persist_bitmaps=True,
    )
    return Disk(target, target, (image,), records=records[target])


def _path(target: str) -> str:
    name = "web-01" if target == "vda" else "web-01-data"
    return f"/srv/vm/{name}.qcow2"


def _bitmap(name: str, dirty_bytes: int, *, inconsistent: bool = False) -> Bitmap:
    return Bitmap(
        name, 64 * KiB, dirty_bytes, not inconsistent, False, inconsistent, True
    )

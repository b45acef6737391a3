"""Make the ledger of a machine: three records side by side, each drift with a name.

Nothing is guessed. What cannot be read now is unknown, never missing; what is not this
repository's is shown and never touched; and what a repair may remove is only what no
increment will ever stand on.
"""

import re
from dataclasses import dataclass, field, replace

from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Checkpoint
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.ledger import (
    Cell,
    Drift,
    DriftKind,
    Holding,
    Ledger,
    LedgerRow,
    NextBackup,
    Owner,
    Standing,
)
from vmsnap_tui.model.point import DiskLevel, Point, StoredDisk
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.drifts import drifts_of
from vmsnap_tui.plan.levels import Shelf, decide
from vmsnap_tui.plan.requests import Level

SCRATCH = "-scratch"
_OF_A_REPOSITORY = re.compile(r"vmsnap-[0-9a-f]{8}-(?P<point>.+)")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z?-")
_MAKERS = (
    (re.compile(r"virtnbdbackup\.\d+"), "virtnbdbackup"),
    (re.compile(r"qmpbackup-.+"), "qmpbackup"),
    (re.compile(r"pbs-incremental-dirty-bitmap"), "Proxmox Backup"),
    (re.compile(r"one-\d+-\d+"), "OpenNebula, by its name"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "oVirt, by its name"),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The repository's side: what it holds of every machine, read at one instant.

    `damaged` and `pending` are ids of points that cannot be read, and of those whose
    operation is not over; `busy` says which operations of this very machine are not.
    `machines` are the keys of all that are there now.
    """

    shelf: Shelf
    points: tuple[Point, ...] = ()
    damaged: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()
    busy: tuple[str, ...] = ()
    machines: frozenset[str] = frozenset()
    by_id: dict[str, Point] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.by_id.update({point.id: point for point in self.points})


def ledger_of(vm: Vm, kept: Kept | None, untold: str = "") -> Ledger:
    """The whole ledger; `kept` is None where there is no repository."""
    disks = _columns(vm)
    rows = [_row(name, vm, disks, kept) for name in _names(vm, disks, kept)]
    rows.sort(key=lambda row: row.name)
    rows.sort(key=lambda row: row.created_utc, reverse=True)
    return Ledger(
        vm=vm.key,
        vm_name=vm.name,
        connection=vm.connection,
        keeps_checkpoints=vm.checkpoints is not None,
        disks=tuple(disk.target for disk in disks),
        rows=tuple(rows),
        next=next_backups(vm, kept.shelf if kept else None),
        drifts=_of_the_machine(vm, kept),
        untold=untold or _unread(vm, disks),
    )


def _unread(vm: Vm, disks: tuple[Disk, ...]) -> str:
    """Which images' bitmaps were not read: those behind a job's filter, and on QEMU
    before 10 all below the active one while a job exists."""
    unread = [i.path for disk in disks for i in disk.chain if not i.bitmaps_known]
    if not unread:
        return ""
    why = "while a job runs" if vm.jobs else "now"
    return f"the bitmaps of {', '.join(unread)} cannot be read {why}"


def next_backups(vm: Vm, shelf: Shelf | None) -> tuple[NextBackup, ...]:
    """What a backup at level auto would make of each disk now."""
    return tuple(_next(disk, shelf) for disk in _columns(vm))


def _next(disk: Disk, shelf: Shelf | None) -> NextBackup:
    if disk.unfit:
        return NextBackup(disk.target, "", disk.unfit)
    full = DiskLevel.FULL.value
    if shelf is None:
        return NextBackup(
            disk.target, full, "there is no repository yet", disk.allocated_bytes
        )
    try:
        decision = decide(disk, Level.AUTO, shelf)
    except PlanRefused as busy:
        return NextBackup(disk.target, "", str(busy))
    whole = decision.level is DiskLevel.INCREMENTAL
    size = decision.dirty_bytes if whole else disk.allocated_bytes
    return NextBackup(disk.target, decision.level.value, decision.reason, size)


def _columns(vm: Vm) -> tuple[Disk, ...]:
    """Disks that are backed up, and those that carry a record all the same."""
    tracked = {t for checkpoint in vm.checkpoints or () for t in checkpoint.disks}
    return tuple(
        disk
        for disk in vm.disks
        if disk.chain
        and (
            not disk.unfit
            or disk.unfit_for_now
            or disk.target in tracked
            or any(image.bitmaps for image in disk.chain)
        )
    )


def _names(vm: Vm, disks: tuple[Disk, ...], kept: Kept | None) -> frozenset[str]:
    """Of every party; of points only those that the next increments stand on."""
    names = {checkpoint.name for checkpoint in vm.checkpoints or ()}
    names |= {b.name for disk in disks for image in disk.chain for b in image.bitmaps}
    for disk in disks:
        stored = _newest(disk, kept)
        if stored is not None and stored.bitmap:
            names.add(stored.bitmap)
    return frozenset(names)


def _newest(disk: Disk, kept: Kept | None) -> StoredDisk | None:
    point = kept.shelf.newest.get(disk.target) if kept else None
    return point.disk(disk.target) if point else None


def _row(name: str, vm: Vm, disks: tuple[Disk, ...], kept: Kept | None) -> LedgerRow:
    checkpoint = vm.checkpoint(name)
    owner, point_id = _owner(name, kept)
    holding = _holding(vm, owner, point_id, kept)
    point = kept.by_id.get(point_id) if kept else None
    if holding is not Holding.STORED:
        point = None
    row = LedgerRow(
        name=name,
        owner=owner,
        maker=maker_of(name),
        created_utc=_created(name, checkpoint, point),
        in_metadata=None if vm.checkpoints is None else checkpoint is not None,
        point=point_id,
        holding=holding,
        cells=tuple(_cell(name, vm, disk, checkpoint, point, kept) for disk in disks),
    )
    row = _with_repair(row, vm, disks, kept)
    gone = tuple(t for t in (checkpoint.disks if checkpoint else ()) if not vm.disk(t))
    return replace(row, drifts=drifts_of(row, gone))


def maker_of(name: str) -> str:
    """The tool that names checkpoints so; empty where none is known to."""
    if _OF_A_REPOSITORY.fullmatch(name):
        return "vmsnap-tui"
    return next((tool for shape, tool in _MAKERS if shape.fullmatch(name)), "")


def _owner(name: str, kept: Kept | None) -> tuple[Owner, str]:
    """Whose it is, and the point that its name says."""
    if kept is not None and name.startswith(kept.shelf.bitmap_prefix):
        point = name.removeprefix(kept.shelf.bitmap_prefix)
        return Owner.OURS, point.removesuffix(SCRATCH)
    theirs = _OF_A_REPOSITORY.fullmatch(name)
    if theirs:
        return Owner.OTHER_REPOSITORY, theirs["point"].removesuffix(SCRATCH)
    return Owner.FOREIGN, ""


def _holding(vm: Vm, owner: Owner, point_id: str, kept: Kept | None) -> Holding:
    if owner is not Owner.OURS or kept is None:
        return Holding.NONE
    point = kept.by_id.get(point_id)
    if point is not None:
        return Holding.STORED if point.vm_key == vm.key else Holding.ELSEWHERE
    if point_id in kept.pending:
        return Holding.PENDING
    return Holding.DAMAGED if point_id in kept.damaged else Holding.NONE


def _created(name: str, checkpoint: Checkpoint | None, point: Point | None) -> str:
    if checkpoint is not None and checkpoint.created_utc:
        return checkpoint.created_utc
    if point is not None:
        return point.created_utc
    stamp = _STAMP.search(name)
    if stamp is None:
        return ""
    year, month, day, hour, minute, second = stamp.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}.000Z"


def _cell(
    name: str,
    vm: Vm,
    disk: Disk,
    checkpoint: Checkpoint | None,
    point: Point | None,
    kept: Kept | None,
) -> Cell:
    stored = point.disk(disk.target) if point else None
    in_point = stored is not None and stored.bitmap == name
    newest = _newest(disk, kept)
    needed = in_point and newest is not None and newest.bitmap == name
    tracked = checkpoint is not None and disk.target in checkpoint.disks
    found = [(image, b) for image in disk.chain if (b := image.bitmap(name))]
    cell = Cell(
        target=disk.target,
        standing=Standing.UNTRACKED,
        in_metadata=None if vm.checkpoints is None else tracked,
        in_point=in_point,
        needed=needed,
        bitmaps=len(found),
        nodes=tuple(i.node for i, b in found if not i.read_only and not b.busy),
    )
    standing, reason, dirty_bytes = _standing(
        name, disk, stored if needed else None, tracked or needed
    )
    return replace(cell, standing=standing, reason=reason, dirty_bytes=dirty_bytes)


_Found = tuple[Standing, str, int | None]
_OPEN = frozenset({Standing.UNKNOWN, Standing.RECORDING, Standing.UNTRACKED})
"""What the bitmaps alone tell, that a hypervisor which does not vouch overrules."""


def _standing(
    name: str, disk: Disk, needed: StoredDisk | None, expected: bool
) -> _Found:
    record = disk.record(name)
    if record is not None and record.whole:
        return Standing.RECORDING, "", record.dirty_bytes
    found = _in_images(name, disk, needed, expected)
    if record is None:
        return found
    if not record.asked:
        certain = found[0] not in _OPEN and found[0] is not Standing.MISSING
        return found if certain else (Standing.UNKNOWN, record.broken, found[2])
    return (Standing.BROKEN, record.broken, None) if found[0] in _OPEN else found


def _in_images(
    name: str, disk: Disk, needed: StoredDisk | None, expected: bool
) -> _Found:
    """What the bitmaps alone tell, the active image's first."""
    for depth, image in enumerate(disk.chain):
        bitmap = image.bitmap(name)
        if bitmap is not None:
            return _bitmap(bitmap, image, disk.active, depth, needed)
    unread = [image.path for image in disk.chain if not image.bitmaps_known]
    if disk.untracked and not needed:
        return Standing.UNTRACKED, disk.untracked, None
    if unread:
        return Standing.UNKNOWN, f"the bitmaps of {unread[0]} were not read", None
    if expected:
        return Standing.MISSING, f"no image of {disk.target} has it", None
    return Standing.UNTRACKED, "", None


def _bitmap(
    bitmap: Bitmap,
    image: Image,
    active: Image,
    depth: int,
    needed: StoredDisk | None,
) -> _Found:
    dirty = bitmap.dirty_bytes
    if bitmap.inconsistent:
        reason = f"QEMU was killed while it recorded in {image.path}"
        return Standing.INCONSISTENT, reason, None
    if bitmap.busy:
        return Standing.BUSY, f"an operation is using it in {image.path}", dirty
    if depth:
        reason = f"it stands in {image.path}, and {active.path} is on top since"
        return Standing.UNPROVEN, reason, None
    if not bitmap.recording:
        reason = f"it was switched off in {image.path}"
        return Standing.SWITCHED_OFF, reason, None
    if needed is not None and needed.source_path != image.path:
        reason = f"{image.path} is not the image of the point, {needed.source_path}"
        return Standing.UNPROVEN, reason, None
    return Standing.RECORDING, "", dirty


def _with_repair(
    row: LedgerRow, vm: Vm, disks: tuple[Disk, ...], kept: Kept | None
) -> LedgerRow:
    """What a repair does about the row: a lost checkpoint is made known again where
    that saves an increment, and what no increment stands on is removed."""
    if row.owner is not Owner.OURS or row.holding not in (Holding.STORED, Holding.NONE):
        return row
    if any(cell.standing is Standing.BUSY for cell in row.cells):
        return row
    useless = [cell for cell in row.cells if _useless(cell)]
    if row.in_metadata is None:
        pairs = [(node, row.name) for cell in useless for node in cell.nodes]
        return replace(row, drop=tuple(pairs))
    if row.in_metadata:
        whole = len(useless) < len(row.cells)
        return row if whole else replace(row, drop=_pairs(row.name, vm))
    if adopt := _adopt(row, disks, kept):
        return replace(row, adopt=adopt)
    stray = [cell for cell in row.cells if cell.bitmaps]
    if not all(_useless(cell) for cell in stray):
        return row
    active = {disk.target: disk.active.node for disk in disks}
    pairs = [(active[cell.target], row.name) for cell in stray]
    return replace(row, drop=tuple(pairs))


def _adopt(
    row: LedgerRow, disks: tuple[Disk, ...], kept: Kept | None
) -> tuple[str, ...]:
    """The disks on which the lost checkpoint can be known again: only where the bitmap
    itself proves, by the law for bitmaps alone, that every write is recorded."""
    return tuple(
        disk.target
        for disk, cell in zip(disks, row.cells, strict=True)
        if kept is not None
        and cell.needed
        and cell.standing is Standing.RECORDING
        and _increment_without_metadata(disk, kept.shelf)
    )


def _increment_without_metadata(disk: Disk, shelf: Shelf) -> bool:
    decision = decide(replace(disk, records=None), Level.AUTO, shelf)
    return decision.level is DiskLevel.INCREMENTAL


def _useless(cell: Cell) -> bool:
    """Whether no increment can stand on it, now or when it can be told again. What is
    merely unproven may be proved again, by a merge: the next backup decides."""
    if not cell.needed:
        return True
    return cell.standing.dead and cell.standing is not Standing.UNPROVEN


def _pairs(name: str, vm: Vm) -> tuple[tuple[str, str], ...]:
    """A hypervisor's checkpoint goes as one: named by the active node of each disk it
    tracks, or of any where none of those is there any more."""
    checkpoint = vm.checkpoint(name)
    tracked = checkpoint.disks if checkpoint else ()
    chained = [disk for disk in vm.disks if disk.chain]
    found = [disk for disk in chained if disk.target in tracked] or chained[:1]
    return tuple((disk.active.node, name) for disk in found)


def _of_the_machine(vm: Vm, kept: Kept | None) -> tuple[Drift, ...]:
    """Points of a machine of this name that is no more: this one begins anew beside
    them, which matters until it has points of its own."""
    if kept is None or kept.shelf.newest:
        return ()
    others = [
        point
        for point in kept.points
        if point.vm_name == vm.name and point.vm_key not in {vm.key, *kept.machines}
    ]
    if not others:
        return ()
    named = ", ".join(sorted({point.vm_uuid or point.vm_key for point in others}))
    count = f"{len(others)} point{'s' * (len(others) != 1)}"
    return (
        Drift(
            DriftKind.OTHER_IDENTITY,
            f"the repository holds {count} of a machine of this name under another"
            f" UUID, {named}; this one is {vm.uuid or vm.key}",
            "they are restored as before, and the first backup of this machine is a"
            " full; if it is the same machine, define it with its former UUID before",
            "warning",
        ),
    )

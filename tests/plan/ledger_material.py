"""Machines in every state of drift, and what a repair does to them, as values."""

from dataclasses import dataclass, replace

from tests.plan.material import (
    EARLIER,
    PREFIX,
    a_bitmap,
    a_disk,
    a_point,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.ledger import LedgerRow
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.ledger import Kept

OLDER = "20261119T010000Z-22222222"
FAILED = "20261120T020000Z-33333333"
DAMAGED = "20261118T010000Z-44444444"
PENDING = "20261120T030000Z-55555555"
ELSEWHERE = "20261117T010000Z-66666666"
OTHER_KEY = "11111111-6b0e-4e4b-9e0f-0123456789ab"

NAMES = {
    "newest": PREFIX + EARLIER,
    "older": PREFIX + OLDER,
    "failed": PREFIX + FAILED,
    "scratch": PREFIX + FAILED + "-scratch",
    "scratch of a point": PREFIX + EARLIER + "-scratch",
    "damaged": PREFIX + DAMAGED,
    "pending": PREFIX + PENDING,
    "elsewhere": PREFIX + ELSEWHERE,
    "another repository": "vmsnap-99999999-" + EARLIER,
    "virtnbdbackup": "virtnbdbackup.3",
    "by hand": "cp1",
}
BITMAPS = ("none", "whole", "inconsistent", "off", "busy", "below", "unread")
METADATA = ("keeps none", "lost", "broken", "not asked", "whole")


@dataclass(frozen=True)
class Fate:
    """How one disk of a checkpoint is; "keeps none" is QEMU without libvirt."""

    bitmap: str
    metadata: str


def kept(*targets: str, source: str = "active") -> Kept:
    """The newest point EARLIER holds these disks, taken from `source`."""
    disks = tuple(stored(source, target) for target in targets)
    newest = a_point(*disks)
    stamp = "2026-11-19T01:00:00.000Z"
    older = replace(newest, id=OLDER, seq=6, created_utc=stamp)
    older = replace(
        older, disks=tuple(replace(d, bitmap=PREFIX + OLDER) for d in older.disks)
    )
    elsewhere = replace(newest, id=ELSEWHERE, vm_key=OTHER_KEY, vm_uuid=OTHER_KEY)
    return Kept(
        a_shelf(*disks),
        (older, newest, elsewhere),
        damaged=frozenset({DAMAGED}),
        pending=frozenset({PENDING}),
    )


def machine(name: str, fates: dict[str, Fate]) -> Vm:
    """A machine with one checkpoint of that name, each disk with its own fate."""
    libvirt = any(fate.metadata != "keeps none" for fate in fates.values())
    disks = [_disk(name, target, fate, libvirt) for target, fate in fates.items()]
    vm = a_vm(*disks)
    if not libvirt:
        return vm
    tracked = tuple(
        t for t, f in fates.items() if f.metadata in ("whole", "broken", "not asked")
    )
    known = (Checkpoint(name, "2026-11-20T01:00:00.000Z", tracked),) if tracked else ()
    return replace(vm, checkpoints=known)


def _disk(name: str, target: str, fate: Fate, libvirt: bool) -> Disk:
    found = {
        "whole": a_bitmap(name),
        "inconsistent": a_bitmap(name, recording=False, inconsistent=True),
        "off": a_bitmap(name, recording=False),
        "busy": a_bitmap(name, busy=True),
    }.get(fate.bitmap)
    top: tuple[Bitmap, ...] = (found,) if found else ()
    below = (a_bitmap(name),) if fate.bitmap == "below" else ()
    active = an_image("active", *top)
    base = an_image("base", *below, read_only=True)
    node = f"node-{target}"
    active = replace(active, node=node, bitmaps_known=fate.bitmap != "unread")
    base = replace(base, node=f"{node}-base", bitmaps_known=fate.bitmap != "unread")
    disk = a_disk(active, base, target=target)
    records = {
        "whole": (Record(name, 7),),
        "broken": (Record(name, broken="the record is missing or broken"),),
        "not asked": (Record(name, broken="a job runs", asked=False),),
    }.get(fate.metadata, ())
    return replace(disk, records=records if libvirt else None)


def mended(vm: Vm, row: LedgerRow) -> Vm:
    """The machine after a repair of the row."""
    if row.adopt:
        adopted = Checkpoint(row.name, "2026-11-20T05:00:00.000Z", row.adopt)
        vm = replace(vm, checkpoints=(*(vm.checkpoints or ()), adopted))
        vm = replace(vm, disks=tuple(_adopted(disk, row) for disk in vm.disks))
    if not row.drop:
        return vm
    if vm.checkpoints is not None:
        left = tuple(c for c in vm.checkpoints if c.name != row.name)
        vm = replace(vm, checkpoints=left)
    return replace(vm, disks=tuple(_without(disk, row, vm) for disk in vm.disks))


def _adopted(disk: Disk, row: LedgerRow) -> Disk:
    if disk.target not in row.adopt:
        return disk
    return replace(disk, records=(*(disk.records or ()), Record(row.name, 1)))


def _without(disk: Disk, row: LedgerRow, vm: Vm) -> Disk:
    if disk.records is not None:
        left = tuple(r for r in disk.records if r.name != row.name)
        chain = tuple(
            replace(i, bitmaps=tuple(b for b in i.bitmaps if b.name != row.name))
            for i in disk.chain
        )
        return replace(disk, records=left, chain=chain)
    chain = tuple(
        replace(
            image,
            bitmaps=tuple(
                b for b in image.bitmaps if (image.node, b.name) not in row.drop
            ),
        )
        for image in disk.chain
    )
    return replace(disk, chain=chain)

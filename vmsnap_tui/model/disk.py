"""A disk that the guest sees, and the chain of images behind it."""

from dataclasses import dataclass

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Record

NOT_READ = "not read since something changed that may concern it"
"""Of a record that was not there when it was asked last."""


@dataclass(frozen=True, slots=True)
class Image:
    """One file (or volume) of a chain; `node` is QEMU's name of it in this run.

    `path` is QEMU's file name of the image and may be a `json:` or `nbd:` name.
    `bitmaps_known` is False where the image's bitmaps could not be read: on QEMU
    before 10 the node graph is not asked for while a job exists, and only the
    active image's bitmaps are to be had then.
    """

    path: str
    format: str
    node: str
    virtual_bytes: int
    allocated_bytes: int
    read_only: bool
    bitmaps: tuple[Bitmap, ...] = ()
    bitmaps_known: bool = True
    can_persist_bitmaps: bool = False
    """qcow2 with compat 1.1 or later."""

    def bitmap(self, name: str) -> Bitmap | None:
        return next((b for b in self.bitmaps if b.name == name), None)


@dataclass(frozen=True, slots=True)
class DiskIo:
    """Guest I/O since the machine started (QAPI `BlockDeviceStats`)."""

    written_bytes: int
    writes: int
    write_time_s: float


@dataclass(frozen=True, slots=True)
class Disk:
    """A guest-visible block device; `target` names it for the operator, stably.

    `chain` runs from the active image down to the base and is empty for a drive
    without a medium. `chain_known` is False where it was not told whether its last
    image is the base (libvirt, of a machine that is off). `unfit` says why the disk
    takes no part in operations (read-only, a CD drive, empty, a filter on top), or is
    empty; `unfit_for_now` is whether something merely sits on it at this instant (a
    job, somebody's filter), so that leaving it out of a backup would be a surprise.

    `records` is what the hypervisor vouches for over the whole chain, whatever came on
    top of which image since; None where it vouches for nothing, and the bitmaps of
    the images alone tell. `records_known` is False where some may have come since they
    were asked for: then one that is not among them is not known, and not lost.
    `untracked` says why changes cannot be recorded at all, so that every backup of it
    is a full; `differs` how the hypervisor's definition and QEMU's graph contradict
    each other.
    """

    target: str
    device: str
    """The device's id or QOM path, where QEMU names one."""
    chain: tuple[Image, ...]
    unfit: str = ""
    unfit_for_now: bool = False
    io: DiskIo | None = None
    records: tuple[Record, ...] | None = None
    records_known: bool = True
    chain_known: bool = True
    untracked: str = ""
    differs: str = ""

    @property
    def active(self) -> Image:
        return self.chain[0]

    @property
    def virtual_bytes(self) -> int:
        return self.chain[0].virtual_bytes if self.chain else 0

    @property
    def allocated_bytes(self) -> int:
        """Room that the whole chain takes, an upper bound of a full backup."""
        return sum(image.allocated_bytes for image in self.chain)

    def record(self, name: str) -> Record | None:
        """None where there is none; not `asked` where there may be one by now."""
        found = next((r for r in self.records or () if r.name == name), None)
        if found is None and self.records is not None and not self.records_known:
            return Record(name, broken=NOT_READ, asked=False)
        return found

"""The ledger of one machine: checkpoints, bitmaps and points held against each other.

Three parties keep a record of the same thing: the hypervisor its metadata, QEMU the
bitmaps in the images, the repository its points. Each can be lost without the others,
and then no tool's own list shows it. A row is a checkpoint, a cell one disk of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from vmsnap_tui.units import format_bytes

Severity = Literal["alarm", "warning", "note"]


class Owner(StrEnum):
    """Whose a checkpoint is, as far as its name tells."""

    OURS = "ours"
    """Of the repository in use."""
    OTHER_REPOSITORY = "another repository"
    FOREIGN = "foreign"


class Standing(StrEnum):
    """How the record of one disk since one checkpoint stands."""

    RECORDING = "recording"
    INCONSISTENT = "inconsistent"
    """QEMU was killed before it could store what it had recorded."""
    SWITCHED_OFF = "not recording"
    BROKEN = "missing or broken"
    """The hypervisor vouches for it no more, and QEMU itself was not asked."""
    UNPROVEN = "unproven"
    """A bitmap stands, but the images were changed round it since."""
    MISSING = "missing"
    BUSY = "in use"
    UNTRACKED = "not tracked"
    """The checkpoint is not about this disk."""
    UNKNOWN = "unknown"
    """It cannot be told now; that is not the same as missing."""

    @property
    def dead(self) -> bool:
        """No increment will ever stand on it."""
        return self in _DEAD


_DEAD = frozenset(
    {
        Standing.INCONSISTENT,
        Standing.SWITCHED_OFF,
        Standing.BROKEN,
        Standing.UNPROVEN,
        Standing.MISSING,
    }
)


class Holding(StrEnum):
    """What the repository has of the point that a checkpoint belongs to."""

    STORED = "stored"
    DAMAGED = "damaged"
    PENDING = "pending"
    """Its operation runs, or was interrupted and is still to be recovered."""
    ELSEWHERE = "of another machine"
    NONE = "none"


_STORED = {Holding.STORED: "yes", Holding.NONE: "no", Holding.ELSEWHERE: "other"}


class DriftKind(StrEnum):
    """In what way the records contradict each other; the set is closed."""

    CHECKPOINT_WITHOUT_BITMAP = "checkpoint-without-bitmap"
    BITMAP_WITHOUT_CHECKPOINT = "bitmap-without-checkpoint"
    INCONSISTENT = "inconsistent-bitmap"
    SWITCHED_OFF = "bitmap-not-recording"
    BROKEN = "broken-record"
    UNPROVEN = "images-changed"
    POINT_WITHOUT_RECORD = "point-without-record"
    PARTIAL = "partial-record"
    FAILED_BACKUP = "checkpoint-without-point"
    """Of a backup that failed, as libvirt keeps its checkpoint; or of a point that
    somebody removed."""
    SCRATCH_LEFT = "scratch-bitmap-left"
    SUPERSEDED = "superseded"
    """Its point stands, but a newer one is what increments are made on."""
    POINT_DAMAGED = "point-damaged"
    OTHER_MACHINE = "bitmap-of-another-machine"
    OTHER_IDENTITY = "points-under-another-uuid"
    OTHER_REPOSITORY = "of-another-repository"
    FOREIGN = "foreign"

    @property
    def of_others(self) -> bool:
        """Whether it only says that somebody else made it."""
        return self in (DriftKind.OTHER_REPOSITORY, DriftKind.FOREIGN)


@dataclass(frozen=True, slots=True)
class Drift:
    """`targets` are the disks it is about. `mendable` is whether a repair does
    something about it; `remedy` says what can be done in either case."""

    kind: DriftKind
    reason: str
    remedy: str
    severity: Severity
    targets: tuple[str, ...] = ()
    mendable: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One disk of one checkpoint.

    `in_metadata` is None where the hypervisor keeps no metadata. `in_point` is
    whether the point holds this disk under this bitmap, `needed` whether the disk's
    next increment would stand on it. `nodes` are images from which a bitmap of this
    name can be removed; `bitmaps` counts those that stand anywhere in the chain.
    """

    target: str
    standing: Standing
    reason: str = ""
    dirty_bytes: int | None = None
    in_metadata: bool | None = None
    in_point: bool = False
    needed: bool = False
    bitmaps: int = 0
    nodes: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether any party but the repository knows of it."""
        return bool(self.in_metadata) or self.bitmaps > 0

    @property
    def words(self) -> str:
        """What stands in the matrix; empty where the disk has no part in it."""
        if self.standing is Standing.UNTRACKED:
            return ""
        if self.standing is Standing.MISSING and self.in_metadata:
            return "no bitmap"
        if self.dirty_bytes is None:
            return self.standing.value
        dirty = format_bytes(self.dirty_bytes)
        if self.standing is not Standing.RECORDING:
            return f"{self.standing.value} {dirty}"
        lost = self.in_metadata is False
        return f"no checkpoint, {dirty}" if lost else f"{dirty} dirty"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One checkpoint. `maker` is the tool that names them so, empty if unknown.

    `adopt` are the disks on which a repair would make the hypervisor know it again,
    `drop` the (node, bitmap) pairs that a repair would remove.
    """

    name: str
    owner: Owner
    maker: str
    created_utc: str
    in_metadata: bool | None
    point: str
    holding: Holding
    cells: tuple[Cell, ...]
    drifts: tuple[Drift, ...] = ()
    adopt: tuple[str, ...] = ()
    drop: tuple[tuple[str, str], ...] = ()

    def cell(self, target: str) -> Cell | None:
        return next((c for c in self.cells if c.target == target), None)

    @property
    def agrees(self) -> bool:
        """Whether all records are known to agree; a drift, a disk of which it cannot
        be told, and a backup that is not over are none of it."""
        known = all(cell.standing is not Standing.UNKNOWN for cell in self.cells)
        return known and not self.drifts and self.holding is not Holding.PENDING

    @property
    def mendable(self) -> bool:
        return bool(self.adopt or self.drop)

    @property
    def stored(self) -> str:
        """Whether its point is in the repository, in a word."""
        if self.owner is not Owner.OURS:
            return ""
        return _STORED.get(self.holding, self.holding.value)


@dataclass(frozen=True, slots=True)
class NextBackup:
    """What a backup of one disk would be now; `level` is empty where none can be
    made."""

    target: str
    level: str
    reason: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """`disks` are the columns. `keeps_checkpoints` is False where the bitmaps alone
    are the truth. `untold` says what was not asked, and why, or is empty. `drifts`
    are those of the machine as a whole; the others stand in their rows."""

    vm: str
    vm_name: str
    connection: str
    keeps_checkpoints: bool
    disks: tuple[str, ...]
    rows: tuple[LedgerRow, ...]
    next: tuple[NextBackup, ...] = ()
    drifts: tuple[Drift, ...] = ()
    untold: str = ""

    def row(self, name: str) -> LedgerRow | None:
        return next((r for r in self.rows if r.name == name), None)

    @property
    def mendable(self) -> tuple[LedgerRow, ...]:
        return tuple(row for row in self.rows if row.mendable)

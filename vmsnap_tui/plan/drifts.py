"""Name what is wrong with one checkpoint: a closed set of drifts, each with its reason
and what can be done about it."""

from collections.abc import Iterator

from vmsnap_tui.model.ledger import (
    Cell,
    Drift,
    DriftKind,
    Holding,
    LedgerRow,
    Owner,
    Severity,
    Standing,
)

NEXT_HEALS = "nothing has to be done: the next backup of {disks} is a full"
NEXT_DROPS = "nothing has to be done: the next backup drops it"
REPAIR_NOW = "; a repair removes it now"
OWNERS = "it is shown and never touched: its owner has to {what}"


def drifts_of(row: LedgerRow, gone: tuple[str, ...] = ()) -> tuple[Drift, ...]:
    """All drifts of a row; `gone` are disks that its metadata tracks and the machine
    has no more."""
    if row.owner is Owner.OURS:
        return tuple(_ours(row, gone))
    return tuple(_theirs(row))


def _theirs(row: LedgerRow) -> Iterator[Drift]:
    if row.owner is Owner.OTHER_REPOSITORY:
        yield Drift(
            DriftKind.OTHER_REPOSITORY,
            "a vmsnap-tui with another repository made it: its increments stand on it",
            "nothing, as long as that repository is in use; else remove it by hand",
            "note",
        )
    else:
        maker = f"{row.maker} made it" if row.maker else "its maker is not known"
        yield Drift(
            DriftKind.FOREIGN,
            f"{maker}: it is no checkpoint of vmsnap-tui",
            "nothing: it is shown and never touched",
            "note",
        )
    for kind, cells in _damages(row):
        yield _drift(kind, cells, _theirs_remedy(kind), "warning")


def _theirs_remedy(kind: DriftKind) -> str:
    if kind is DriftKind.CHECKPOINT_WITHOUT_BITMAP:
        return OWNERS.format(what="delete its metadata and begin with a full")
    return OWNERS.format(what="remove it and begin with a full")


def _ours(row: LedgerRow, gone: tuple[str, ...]) -> Iterator[Drift]:
    match row.holding:
        case Holding.PENDING:
            return
        case Holding.NONE:
            yield _without_point(row)
        case Holding.ELSEWHERE:
            yield Drift(
                DriftKind.OTHER_MACHINE,
                f"point {row.point} is of a machine with another UUID: this one was"
                " cloned from it, or defined anew",
                "the first backup of this machine is a full and drops it; if it is the"
                " same machine, define it with its former UUID before",
                "warning",
            )
        case Holding.DAMAGED:
            yield Drift(
                DriftKind.POINT_DAMAGED,
                f"point {row.point} cannot be read, so that nothing is built upon it",
                "put the point back from a copy, or let the next backup be a full",
                "warning",
            )
        case Holding.STORED if any(cell.needed for cell in row.cells):
            yield from _needed(row)
        case Holding.STORED:
            yield _superseded(row, gone)


def _without_point(row: LedgerRow) -> Drift:
    if row.name.endswith("-scratch"):
        reason = "a backup left what it worked with; nothing refers to it"
        kind = DriftKind.SCRATCH_LEFT
    else:
        kind = DriftKind.FAILED_BACKUP
        reason = (
            f"the repository has no point {row.point}: its backup failed or was"
            " cancelled, or the point was removed. An increment made from here would"
            " miss what was written before"
        )
    return _needless(row, kind, reason)


def _superseded(row: LedgerRow, gone: tuple[str, ...]) -> Drift:
    why = f"; it tracks {', '.join(gone)}, which the machine has no more" * bool(gone)
    if row.name.endswith("-scratch"):
        reason = f"the backup of point {row.point} left what it worked with"
        kind = DriftKind.SCRATCH_LEFT
    else:
        kind = DriftKind.SUPERSEDED
        reason = f"no increment needs point {row.point}'s record any more{why}"
    return _needless(row, kind, reason)


def _needless(row: LedgerRow, kind: DriftKind, reason: str) -> Drift:
    """Of a record that no increment stands on. A hypervisor that keeps checkpoints
    does not know one that it has lost, and no backup drops it there."""
    existing = tuple(cell.target for cell in row.cells if cell.exists)
    stray = row.in_metadata is False
    heals = "it does no harm and stays where it is" if stray else NEXT_DROPS
    remedy = heals + (REPAIR_NOW if row.drop else "")
    return Drift(kind, reason, remedy, "note", existing, bool(row.drop))


def _needed(row: LedgerRow) -> Iterator[Drift]:
    """Of a record that the next increments stand on."""
    adoptable = [cell for cell in row.cells if cell.target in row.adopt]
    if adoptable:
        yield _drift(
            DriftKind.BITMAP_WITHOUT_CHECKPOINT,
            adoptable,
            "a repair makes the checkpoint known again, and the next backup stays an"
            " increment; without one it is a full",
            "warning",
            mendable=True,
        )
    lost = [cell for cell in _lost(row) if cell not in adoptable]
    if lost:
        remedy = NEXT_HEALS.format(disks=_names(lost))
        yield _drift(DriftKind.BITMAP_WITHOUT_CHECKPOINT, lost, remedy, "note")
    for kind, cells in _damages(row):
        removes = bool(row.drop) and any(c.nodes or c.in_metadata for c in cells)
        remedy = NEXT_HEALS.format(disks=_names(cells)) + REPAIR_NOW * removes
        yield _drift(kind, cells, remedy, "note", mendable=removes)
    dead = [c for c in row.cells if c.needed and c.standing.dead]
    whole = [c for c in row.cells if c.needed and c.standing is Standing.RECORDING]
    if dead and whole and not _is_lost(whole):
        yield Drift(
            DriftKind.PARTIAL,
            f"{_listed(whole)} recorded without a gap, {_listed(dead)} not",
            f"nothing has to be done: {_names(whole)} can be an increment, and only"
            f" {_names(dead)} becomes a full",
            "note",
            tuple(cell.target for cell in dead),
        )


def _is_lost(cells: list[Cell]) -> bool:
    return any(cell.in_metadata is False for cell in cells)


def _lost(row: LedgerRow) -> list[Cell]:
    """Needed disks whose bitmap stands and is whole, and which the hypervisor's
    metadata does not know."""
    return [
        cell
        for cell in row.cells
        if cell.needed
        and cell.in_metadata is False
        and cell.standing is Standing.RECORDING
    ]


_BY_STANDING = {
    Standing.INCONSISTENT: DriftKind.INCONSISTENT,
    Standing.SWITCHED_OFF: DriftKind.SWITCHED_OFF,
    Standing.BROKEN: DriftKind.BROKEN,
    Standing.UNPROVEN: DriftKind.UNPROVEN,
}


def _damages(row: LedgerRow) -> Iterator[tuple[DriftKind, list[Cell]]]:
    """Cells by what is wrong with them, of every row alike; others may switch their
    own bitmaps off, and let overlays come on top of them, as they please."""
    ours = row.owner is Owner.OURS
    found: dict[DriftKind, list[Cell]] = {}
    for cell in row.cells:
        kind = _damage(cell, ours=ours)
        if kind is not None:
            found.setdefault(kind, []).append(cell)
    yield from sorted(found.items())


def _damage(cell: Cell, *, ours: bool) -> DriftKind | None:
    kind = _BY_STANDING.get(cell.standing)
    if kind in (DriftKind.SWITCHED_OFF, DriftKind.UNPROVEN) and not ours:
        return None
    if kind is not None:
        return kind if cell.needed or not ours else None
    if cell.standing is Standing.MISSING and cell.in_metadata:
        return DriftKind.CHECKPOINT_WITHOUT_BITMAP
    if cell.standing is Standing.MISSING and cell.needed:
        return DriftKind.POINT_WITHOUT_RECORD
    unread = cell.standing is Standing.UNKNOWN and cell.in_metadata is False
    return DriftKind.POINT_WITHOUT_RECORD if unread and cell.needed else None


_REASONS = {
    DriftKind.CHECKPOINT_WITHOUT_BITMAP: (
        "the hypervisor has the checkpoint, and no image has its bitmap"
    ),
    DriftKind.BITMAP_WITHOUT_CHECKPOINT: (
        "the bitmap stands, and the hypervisor has lost the checkpoint"
    ),
    DriftKind.POINT_WITHOUT_RECORD: (
        "the point stands, and what was written since is recorded nowhere that is known"
    ),
}


def _drift(
    kind: DriftKind,
    cells: list[Cell],
    remedy: str,
    severity: Severity,
    *,
    mendable: bool = False,
) -> Drift:
    told = [f"{cell.target}: {cell.reason}" for cell in cells if cell.reason]
    reason = _REASONS.get(kind, "")
    if reason and told:
        reason = f"{reason} ({'; '.join(told)})"
    targets = tuple(cell.target for cell in cells)
    return Drift(kind, reason or "; ".join(told), remedy, severity, targets, mendable)


def _listed(cells: list[Cell]) -> str:
    return f"{_names(cells)} {'is' if len(cells) == 1 else 'are'}"


def _names(cells: list[Cell]) -> str:
    return ", ".join(cell.target for cell in cells)

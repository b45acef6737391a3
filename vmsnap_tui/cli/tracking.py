"""Whether a disk's changes are recorded since its last point, as a plan decides it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.plan.levels import Shelf, decide
from vmsnap_tui.plan.requests import Level
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.units import format_bytes

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.disk import Disk
    from vmsnap_tui.model.point import Point
    from vmsnap_tui.model.vm import Vm


@dataclass(frozen=True, slots=True)
class Tracking:
    """`state` is ok, none, busy or unfit; `next_level` what a backup would make."""

    state: str
    next_level: str | None
    reason: str
    point: str | None = None
    since_utc: str | None = None
    bitmap: str | None = None
    dirty_bytes: int | None = None

    @property
    def text(self) -> str:
        if self.state != "ok":
            return f"tracking: {self.reason}"
        return f"Δ {format_bytes(self.dirty_bytes or 0)} since {self.since_utc}"


def tracking(engine: "Engine", vm: "Vm", disk: "Disk") -> Tracking:
    """The same decision that a plan makes, on what was last read."""
    if disk.unfit:
        return Tracking("unfit", None, disk.unfit)
    point = _newest(engine, vm, disk.target)
    stored = point.disk(disk.target) if point else None
    newest = {} if point is None else {disk.target: point}
    try:
        decision = decide(disk, Level.AUTO, Shelf("", "", 0, 0, newest, {}, {}))
    except PlanRefused as error:
        found = Tracking("busy", None, str(error))
    else:
        whole = decision.level is DiskLevel.INCREMENTAL
        found = Tracking(
            "ok" if whole else "none",
            decision.level.value,
            decision.reason,
            dirty_bytes=decision.dirty_bytes if whole else None,
        )
    if point is None or stored is None:
        return found
    return replace(
        found, point=point.id, since_utc=point.created_utc, bitmap=stored.bitmap
    )


def _newest(engine: "Engine", vm: "Vm", target: str) -> "Point | None":
    found = [
        stored.point
        for stored in engine.points(vm.key)
        if isinstance(stored, StoredPoint) and stored.point.disk(target)
    ]
    return max(found, key=lambda point: point.seq, default=None)

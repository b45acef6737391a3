"""Read what the engine keeps on disk, beside the loop, as values of our own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from vmsnap_tui.engine.doctor import alarms_of
from vmsnap_tui.engine.journal import Unfinished
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.tui.observed import Interrupted, Records
from vmsnap_tui.tui.off_loop import off_loop

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine


async def read_records(engine: Engine) -> Records:
    """Points, alarms, unfinished operations; what fails is said, never raised."""
    return await off_loop(_read, engine)


def _read(engine: Engine) -> Records:
    points: dict[str, list[StoredPoint]] = defaultdict(list)
    damaged: list[DamagedEntry] = []
    problem = ""
    try:
        for entry in engine.points():
            if isinstance(entry, DamagedEntry):
                damaged.append(entry)
            else:
                points[entry.point.vm_key].append(entry)
    except (VmsnapError, OSError) as error:
        problem = str(error)
    unfinished = engine.unfinished()
    machines = [vm for view in engine.fleet for vm in view.vms]
    alarms = {vm.key: alarms_of(vm, unfinished) for vm in machines}
    return Records(
        points={key: _by_seq(found) for key, found in points.items()},
        damaged=tuple(damaged),
        alarms={key: found for key, found in alarms.items() if found},
        unfinished=tuple(_interrupted(each) for each in unfinished),
        problem=problem,
    )


def _by_seq(points: list[StoredPoint]) -> tuple[StoredPoint, ...]:
    return tuple(sorted(points, key=lambda stored: stored.point.seq))


def _interrupted(each: Unfinished) -> Interrupted:
    return Interrupted(
        operation=each.operation,
        title=each.title,
        vm_name=each.vm_name,
        started_utc=each.started_utc,
        will=each.will,
        alive=each.alive,
        owner=each.owner,
    )

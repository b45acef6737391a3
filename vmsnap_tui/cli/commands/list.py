"""List every machine of every connection, as it is now.

A connection that is down is told on stderr and the others are listed; the exit code
is 8 only where none is up.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode, NoConnection

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.events import ConnectionView
    from vmsnap_tui.model.vm import Vm

SUMMARY = "list the machines of all connections"
CONNECTS = options.Connects.NEEDED

_HEADER = ("VM", "STATE", "DISKS", "CHAIN", "JOBS", "LAST POINT", "ALARMS")


def configure(parser: ArgumentParser) -> None:
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    up = [view for view in engine.fleet if not view.stale]
    down = [view for view in engine.fleet if view.stale]
    if not up:
        raise _none_is_up(down)
    for view in down:
        console.err.warn(f"{view.uri} is down: {view.reason}")
    rows = [_fields(engine, vm) for view in up for vm in view.vms]
    if console.out.as_json:
        console.out.document(rows)
    elif rows:
        lines = [[_cell(row[key]) for key in _COLUMNS] for row in rows]
        console.out.table(_HEADER, lines, right=frozenset({2, 3, 4}))
    else:
        console.err.say("no machines")
    return ExitCode.WARNINGS if down else ExitCode.DONE


_COLUMNS = (
    "name",
    "state",
    "disks",
    "chain_depth",
    "jobs",
    "last_point_utc",
    "alarms",
)


def _fields(engine: "Engine", vm: "Vm") -> dict[str, object]:
    last = engine.last_point(vm)
    return {
        "connection": vm.connection,
        "name": vm.name,
        "uuid": vm.uuid,
        "state": vm.state.value,
        "disks": len(vm.disks),
        "chain_depth": max((len(disk.chain) for disk in vm.disks), default=0),
        "jobs": len(vm.jobs),
        "last_point": last.point.id if last else None,
        "last_point_utc": last.point.created_utc if last else None,
        "alarms": list(engine.alarms(vm)),
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "never" if value is None else str(value)


def _none_is_up(down: "list[ConnectionView]") -> NoConnection:
    reasons = "; ".join(f"{view.uri}: {view.reason}" for view in down)
    return NoConnection(
        "no connection is up",
        evidence=reasons,
        remedy="see that the machine runs and that its monitor is free",
    )

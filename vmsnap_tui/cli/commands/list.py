"""List every machine of every connection, as it is now.

A connection that is down is told on stderr and the others are listed; the exit code
is 8 only where none is up.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.vm import Vm

SUMMARY = "list the machines of all connections"
CONNECTS = options.Connects.NEEDED

_HEADER = ("VM", "STATE", "DISKS", "CHAIN", "JOBS", "LAST POINT", "ALARMS")


def configure(parser: ArgumentParser) -> None:
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.connections import machines

    seen, code = machines(engine, console)
    rows = [_fields(engine, vm) for vm in seen]
    if console.out.as_json:
        console.out.document(rows)
    elif rows:
        lines = [[_cell(row[key]) for key in _COLUMNS] for row in rows]
        console.out.table(_HEADER, lines, right=frozenset({2, 3, 4}))
    else:
        console.err.say("no machines")
    return code


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

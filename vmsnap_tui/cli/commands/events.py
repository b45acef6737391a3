"""Follow what happens, one JSON object a line, until Ctrl-C.

"type" is wire (an event as the hypervisor sent it), fleet (a connection came, went
or was read anew) or jobs (how far the jobs of a machine are).
"""

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.events import EngineEvent
    from vmsnap_tui.model.vm import Vm

SUMMARY = "follow the live event stream"
CONNECTS = options.Connects.NEEDED


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM", nargs="?")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    only = engine.find_vm(ns.vm) if ns.vm else None
    async for event in engine.events():
        fields = _fields(event, only)
        if fields is not None:
            console.out.json_line({"at_utc": _now(), **fields})
    return ExitCode.DONE


def _fields(event: "EngineEvent", only: "Vm | None") -> dict[str, object] | None:
    """The event as one object, or None where it is not told here."""
    from vmsnap_tui.backends.base import WireHeard
    from vmsnap_tui.cli.narration import job_fields
    from vmsnap_tui.engine.events import FleetChanged, JobsMoved

    match event:
        case WireHeard(vm=vm) if only is None or vm in {only.key, only.name}:
            return {
                "type": "wire",
                "vm": vm,
                "name": event.name,
                "data": event.data,
                "at_s": event.at_s,
            }
        case JobsMoved(vm=vm) if only is None or vm == only.key:
            jobs = [job_fields(view) for view in event.jobs]
            return {"type": "jobs", "vm": vm, "jobs": jobs}
        case FleetChanged():
            return _fleet_fields(event, only)
        case _:
            return None


def _fleet_fields(event: object, only: "Vm | None") -> dict[str, object]:
    from vmsnap_tui.engine.events import FleetChanged

    assert isinstance(event, FleetChanged)
    views = [
        view
        for view in event.connections
        if only is None or view.uri == only.connection
    ]
    connections = [
        {
            "uri": view.uri,
            "link": view.link.value,
            "reason": view.reason,
            "vms": [{"name": vm.name, "state": vm.state.value} for vm in view.vms],
        }
        for view in views
    ]
    return {"type": "fleet", "connections": connections}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

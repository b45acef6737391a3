"""List the block jobs that run now, as QEMU tells them, and whose they are."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode
from vmsnap_tui.units import format_bytes, format_rate

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.job import Job
    from vmsnap_tui.model.vm import Vm

SUMMARY = "list the jobs inside QEMU"
CONNECTS = options.Connects.NEEDED

_HEADER = ("VM", "JOB", "KIND", "STATUS", "DONE", "OF", "LIMIT", "OPERATION")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM", nargs="?")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.connections import machines
    from vmsnap_tui.cli.narration import job_told

    seen, code = machines(engine, console)
    chosen = [engine.find_vm(ns.vm)] if ns.vm else seen
    found = [(vm, job) for vm in chosen for job in vm.jobs]
    if console.out.as_json:
        console.out.document([job_told(job, vm.name) for vm, job in found])
    elif found:
        rows = [_row(vm, job) for vm, job in found]
        console.out.table(_HEADER, rows, right=frozenset({4, 5, 6}))
    else:
        console.err.say("no jobs")
    return code


def _row(vm: "Vm", job: "Job") -> list[str]:
    limit = format_rate(job.speed_bytes_per_s) if job.speed_bytes_per_s else "none"
    return [
        vm.name,
        job.id,
        job.kind,
        job.status.value,
        f"{job.done_ratio:.0%}",
        format_bytes(job.total_bytes),
        limit,
        job.operation or "not ours",
    ]

"""Act on one job inside QEMU: pause, resume, cancel, or limit its speed.

Cancelling a job of ours breaks its operation, which is then undone; a job of another
program is that program's. RATE is such as 100M, and 0 takes the limit away.

A QMP socket serves one client: to act on a job while another vmsnap-tui watches it,
connect to another monitor of the same machine. libvirt can neither pause nor resume.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode, NotFound, UsageError

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.job import Job
    from vmsnap_tui.model.vm import Vm

SUMMARY = "pause, resume, cancel or throttle one job"
CONNECTS = options.Connects.NEEDED
ACTIONS = ("pause", "resume", "cancel", "speed")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("action", metavar="pause|resume|cancel|speed", choices=ACTIONS)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("rate", metavar="RATE", nargs="?", type=options.size)
    parser.add_argument("--vm", metavar="VM", help="the machine, where ids clash")
    options.add_json(parser)
    options.add_dry_run(parser)
    options.add_yes(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    if (ns.rate is not None) != (ns.action == "speed"):
        raise UsageError(
            "`job speed` wants a RATE, and no other action takes one",
            remedy="say `job speed ID 100M`",
        )
    from vmsnap_tui.cli.connections import machines

    seen, _ = machines(engine, console)
    vm, job = _find([engine.find_vm(ns.vm)] if ns.vm else seen, ns.id)
    done = f"{ns.action} {job.id} of {vm.name}"
    _require_able(vm, ns.action, done)
    if not ns.dry_run:
        if ns.action == "cancel":
            await console.confirm(
                f"{done}: its operation is undone; go on?", yes=ns.yes
            )
        await _act(engine, vm, job, ns)
    if console.out.as_json:
        fields = {"vm": vm.name, "id": job.id, "action": ns.action}
        outcome = "planned" if ns.dry_run else "done"
        console.out.document(
            {**fields, "outcome": outcome, "speed_bytes_per_s": ns.rate}
        )
    else:
        console.err.say(f"would {done}" if ns.dry_run else f"{done}: done")
    return ExitCode.DONE


def _require_able(vm: "Vm", action: str, doing: str) -> None:
    from vmsnap_tui.cli.able import require
    from vmsnap_tui.model.limit import Ability

    abilities = {"cancel": Ability.CANCEL_JOB, "speed": Ability.LIMIT_JOB}
    require(vm, abilities.get(action, Ability.PAUSE_JOB), doing)


async def _act(engine: "Engine", vm: "Vm", job: "Job", ns: Namespace) -> None:
    match ns.action:
        case "pause":
            await engine.pause_job(vm.key, job.id)
        case "resume":
            await engine.resume_job(vm.key, job.id)
        case "cancel":
            await engine.cancel_job(vm.key, job.id)
        case "speed":
            await engine.set_job_speed(vm.key, job.id, ns.rate)


def _find(machines: "list[Vm]", job_id: str) -> "tuple[Vm, Job]":
    found = [(vm, job) for vm in machines if (job := vm.job(job_id)) is not None]
    if not found:
        raise NotFound("there is no such job", evidence=job_id, remedy="see `jobs`")
    if len(found) > 1:
        raise UsageError(
            "more than one machine has a job of this id",
            evidence=", ".join(vm.name for vm, _ in found),
            remedy="say which with --vm",
        )
    return found[0]

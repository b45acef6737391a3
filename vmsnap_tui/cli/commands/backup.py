"""Back up a machine's disks, all at one instant, as a new restore point.

--level auto takes an increment of every disk whose changes are recorded without a
gap since its last point, and a full of every other one; the plan says which and why.
--level incremental is refused where a disk would need a full. --quiesce has the
guest's agent freeze the file systems around the instant.

A disk that was shrunk and grown back to the same size since its last point needs
--level full: QEMU does not record what a truncation takes away.

Targets are written by QEMU itself. For now a target that is slow or full can stall
the guest's writes while the backup runs; the plan says so.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.events import RunResult

SUMMARY = "back up a machine as a new restore point"
CONNECTS = options.Connects.NEEDED
LEVELS = ("auto", "full", "incremental")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM")
    parser.add_argument("--level", choices=LEVELS, default="auto")
    parser.add_argument(
        "--disk", metavar="T", action="append", default=[], help="only this disk"
    )
    parser.add_argument(
        "--exclude", metavar="T", action="append", default=[], help="not this disk"
    )
    parser.add_argument(
        "--quiesce", action="store_true", help="freeze the guest's file systems"
    )
    parser.add_argument(
        "--compress", action="store_true", help="compress what is stored"
    )
    parser.add_argument(
        "--speed",
        metavar="RATE",
        type=options.size,
        default=0,
        help="at most so much a second per disk, such as 100M",
    )
    options.add_json(parser)
    options.add_dry_run(parser)
    options.add_yes(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.operation import carry_out, conclude
    from vmsnap_tui.plan.requests import BackupRequest, Level

    request = BackupRequest(
        vm=ns.vm,
        disks=tuple(ns.disk),
        exclude=tuple(ns.exclude),
        level=Level(ns.level),
        quiesce=ns.quiesce,
        freeze_deadline_s=engine.settings.freeze_deadline_s,
        compress=ns.compress,
        speed_bytes_per_s=ns.speed,
    )
    left = None if ns.dry_run else await _settle(engine, ns.vm, console)
    if left is not None:
        return conclude(left, console)
    return await carry_out(engine, request, ns, console)


async def _settle(
    engine: "Engine", name: str, console: "Console"
) -> "RunResult | None":
    """Finish or take back what an interrupted backup of this machine left, as a job
    that waits in QEMU would hold its disks for ever. Gives the result of one that can
    be neither, which is the end of this backup too."""
    from vmsnap_tui.cli.operation import attend
    from vmsnap_tui.engine.events import Outcome

    vm = engine.find_vm(name)
    for left in engine.unfinished():
        if left.vm != vm.key or left.alive:
            continue
        console.err.say(
            f"{left.title} {left.operation} was interrupted: it {left.will}"
        )
        result = await attend(engine.recover(left.operation), console)
        if result.outcome in (Outcome.UNKNOWN, Outcome.STUCK):
            return result
    return None

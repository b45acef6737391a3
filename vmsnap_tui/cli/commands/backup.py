"""Back up a machine's disks, all at one instant, as a new restore point.

--level auto takes an increment of every disk whose changes are recorded without a
gap since its last point, and a full of every other one; the plan says which and why.
--level incremental is refused where a disk would need a full. --quiesce has the
guest's agent freeze the file systems around the instant.

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
    from vmsnap_tui.cli.operation import carry_out
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
    return await carry_out(engine, request, ns, console)

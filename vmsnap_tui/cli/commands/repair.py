"""Bring a machine's checkpoints, bitmaps and restore points into agreement again.

A checkpoint that libvirt has lost is made known again where its bitmaps prove every
write since the point: the next backup then stays an increment. What no increment will
ever stand on is removed. The plan says for each disk what its next backup will be.

Nothing of other tools or repositories is touched, and no data of any disk. `doctor VM`
shows what there is; --checkpoint repairs one alone.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "bring checkpoints, bitmaps and points into agreement"
CONNECTS = options.Connects.NEEDED


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM")
    parser.add_argument(
        "--checkpoint",
        metavar="NAME",
        action="append",
        default=[],
        help="only this checkpoint",
    )
    options.add_json(parser)
    options.add_dry_run(parser)
    options.add_yes(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.operation import carry_out
    from vmsnap_tui.plan.requests import RepairRequest

    if not ns.checkpoint and not (await engine.ledger(ns.vm)).mendable:
        return _nothing(ns.vm, console)
    unasked = console.out.as_json or not console.asks
    if unasked and not ns.dry_run:
        await console.confirm(f"repair {ns.vm}?", yes=ns.yes)
    request = RepairRequest(vm=ns.vm, checkpoints=tuple(ns.checkpoint))
    return await carry_out(engine, request, ns, console)


def _nothing(vm: str, console: "Console") -> ExitCode:
    """What a script that repairs every night meets on most of them is no failure."""
    console.err.say("nothing is to be repaired")
    if console.out.as_json:
        console.out.document({"operation": None, "outcome": "nothing", "vm": vm})
    return ExitCode.DONE

"""Write a point's disks as standalone images to DIR/<target>.<format>.

Every file behind the point is checked against its sha256 first. Files are called
*.partial until they are whole, and nothing that is there is replaced. POINT may be
the beginning of an id.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "write a point's disks to a directory"
CONNECTS = options.Connects.NONE
FORMATS = ("qcow2", "raw")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("point", metavar="POINT")
    parser.add_argument("--to", metavar="DIR", required=True)
    parser.add_argument(
        "--disk", metavar="T", action="append", default=[], help="only this disk"
    )
    parser.add_argument("--format", choices=FORMATS, default="qcow2")
    options.add_json(parser)
    options.add_dry_run(parser)
    options.add_yes(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.operation import carry_out
    from vmsnap_tui.engine.settings import absolute
    from vmsnap_tui.plan.requests import RestoreFormat, RestoreRequest

    request = RestoreRequest(
        point=ns.point,
        directory=str(absolute(ns.to)),
        disks=tuple(ns.disk),
        format=RestoreFormat(ns.format),
    )
    return await carry_out(engine, request, ns, console)

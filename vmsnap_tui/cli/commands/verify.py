"""Check a stored point, and record the result beside it.

--level 0 that it is listed, 1 the structure of every file and its chain, 2 the
sha256 of every file it stands on (the default). Damage is exit code 4: the point is
neither used nor changed. POINT may be the beginning of an id.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import DamagedPoint, ExitCode
from vmsnap_tui.units import format_bytes

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "check a stored point"
CONNECTS = options.Connects.NONE


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("point", metavar="POINT")
    parser.add_argument("--level", type=int, choices=(0, 1, 2), default=2)
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.model.point import VerifyLevel

    stored = engine.find_point(ns.point)
    point = stored.point

    def progress(done_bytes: int, total_bytes: int, what: str) -> None:
        console.err.progress(
            f"{what}  {format_bytes(done_bytes)} of {format_bytes(total_bytes)}",
            point=point.id,
            file=what,
            done_bytes=done_bytes,
            total_bytes=total_bytes,
        )

    check = await engine.verify(point.id, VerifyLevel(ns.level), progress)
    if console.out.as_json:
        console.out.document(
            {
                "operation": None,
                "outcome": "done" if check.ok else "damaged",
                "point": point.id,
                "vm": point.vm_name,
                "level": int(check.level),
                "at_utc": check.at_utc,
                "ok": check.ok,
                "findings": list(check.findings),
                "disks": [
                    {
                        "target": disk.target,
                        "file": str(stored.directory / disk.file),
                        "bytes": disk.bytes,
                        "sha256": disk.sha256,
                    }
                    for disk in point.disks
                ],
            }
        )
    elif check.ok:
        console.out.line(f"point {point.id} is sound (L{int(check.level)})")
    if check.ok:
        return ExitCode.DONE
    raise DamagedPoint(
        f"point {point.id} is damaged",
        evidence="; ".join(check.findings),
        remedy="restore another point, or put this one back from a copy",
    )

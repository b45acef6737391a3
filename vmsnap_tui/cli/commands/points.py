"""List the restore points of the repository, of one machine or of all.

A damaged point is told on stderr, is never used, and makes the exit code 3.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode, NotFound
from vmsnap_tui.units import format_bytes

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.point import StoredDisk
    from vmsnap_tui.repository.stored import StoredPoint

SUMMARY = "list the restore points"
CONNECTS = options.Connects.NONE

_HEADER = ("POINT", "VM", "CREATED", "CONSISTENCY", "DISKS", "SIZE", "VERIFIED")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM", nargs="?", help="a name or a uuid")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.repository.stored import StoredPoint

    if engine.repository is None:
        raise NotFound(
            "there is no repository",
            evidence=str(engine.settings.repository),
            remedy="name it with --repo; the first backup makes it",
        )
    found = engine.points(ns.vm)
    points = [entry for entry in found if isinstance(entry, StoredPoint)]
    damaged = [entry for entry in found if not isinstance(entry, StoredPoint)]
    for entry in damaged:
        console.err.warn(f"point {entry.id} is damaged: {entry.reason}")
    if console.out.as_json:
        console.out.document([point_fields(stored) for stored in points])
    elif points:
        console.out.table(_HEADER, map(_row, points), right=frozenset({5}))
    else:
        console.err.say("no points")
    return ExitCode.WARNINGS if damaged else ExitCode.DONE


def point_fields(stored: "StoredPoint") -> dict[str, object]:
    """A point as the contract gives it; one that was never checked is at level 0."""
    point, check = stored.point, stored.verified
    return {
        "point": point.id,
        "vm": point.vm_name,
        "uuid": point.vm_uuid,
        "seq": point.seq,
        "created_utc": point.created_utc,
        "consistency": point.consistency.value,
        "freeze_window_s": point.freeze_window_s,
        "verified": {
            "level": int(check.level) if check else 0,
            "at_utc": check.at_utc if check else None,
            "ok": check.ok if check else True,
            "findings": list(check.findings) if check else [],
        },
        "disks": [_disk_fields(disk) for disk in point.disks],
        "excluded": [
            {"target": disk.target, "reason": disk.reason} for disk in point.excluded
        ],
        "warnings": list(point.warnings),
        "bytes": point.stored_bytes,
        "directory": str(stored.directory),
    }


def _disk_fields(disk: "StoredDisk") -> dict[str, object]:
    return {
        "target": disk.target,
        "level": disk.level.value,
        "reason": disk.reason,
        "parent": disk.parent.point if disk.parent else None,
        "bytes": disk.bytes,
        "virtual_bytes": disk.virtual_bytes,
        "file": disk.file,
        "sha256": disk.sha256,
    }


def _row(stored: "StoredPoint") -> list[str]:
    point, check = stored.point, stored.verified
    verified = "never"
    if check is not None:
        verified = f"L{int(check.level)} {check.at_utc}" if check.ok else "DAMAGED"
    disks = " ".join(f"{disk.target}:{disk.level.value}" for disk in point.disks)
    return [
        point.id,
        point.vm_name,
        point.created_utc,
        point.consistency.value,
        disks,
        format_bytes(point.stored_bytes),
        verified,
    ]

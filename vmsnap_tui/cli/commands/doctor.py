"""Find what is stale, broken or in danger, with the evidence and what to do.

The ledger of a machine holds three records of the same thing against each other: the
checkpoints that libvirt knows, the bitmaps in the images, and the restore points. A
row is a checkpoint, with a cell for each disk; what contradicts is a finding, and
`vmsnap-tui repair VM` brings it into agreement where that can be done.

With VM its QEMU itself is asked for its bitmaps, which marks a libvirt domain as
"tainted"; without, all machines are looked at and none is marked.

The exit code is 3 where there is an alarm or a warning.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.cli.output import Output
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.ledger import Ledger, LedgerRow

SUMMARY = "find what is stale or broken, and what to do"
CONNECTS = options.Connects.IF_ANY


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM", nargs="?")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.engine.doctor import examine

    chosen = engine.find_vm(ns.vm) if ns.vm else None
    found = await examine(engine, chosen)
    if console.out.as_json:
        console.out.document(
            {
                "findings": [asdict(finding) for finding in found.findings],
                "ledgers": [ledger_fields(ledger) for ledger in found.ledgers],
            }
        )
    else:
        for finding in found.findings:
            head = f"{finding.severity}: {finding.kind}: {finding.subject}"
            console.out.line(head)
            for part in (finding.evidence, finding.remedy):
                if part:
                    console.out.line(f"    {part}")
        if not found.findings:
            console.err.say("nothing found")
        for ledger in found.ledgers:
            _print(ledger, console.out)
    serious = any(finding.severity != "note" for finding in found.findings)
    return ExitCode.WARNINGS if serious else ExitCode.DONE


def ledger_fields(ledger: "Ledger") -> dict[str, object]:
    """The ledger as the contract gives it: the machine by name and key."""
    fields = asdict(ledger)
    key, name = fields.pop("vm"), fields.pop("vm_name")
    rows = [
        asdict(row) | {"stored": row.stored, "mendable": row.mendable}
        for row in ledger.rows
    ]
    return {"vm": name, "key": key} | fields | {"rows": rows}


def _print(ledger: "Ledger", out: "Output") -> None:
    out.line()
    out.line(f"ledger of {ledger.vm_name}")
    header = ("CHECKPOINT", "SINCE", *ledger.disks, "POINT", "DRIFT")
    if ledger.rows:
        out.table(header, (_row(row) for row in ledger.rows))
    elif not ledger.untold:
        out.line("no checkpoint and no bitmap: the first backup begins both")
    for found in ledger.next:
        level = found.level or "no"
        out.line(f"next backup of {found.target}: {level}: {found.reason}")
    if ledger.untold:
        out.line(ledger.untold)
    if ledger.mendable:
        out.line(f"`vmsnap-tui repair {ledger.vm_name}` repairs what can be")


def _row(row: "LedgerRow") -> tuple[str, ...]:
    drifts = ", ".join(drift.kind.value for drift in row.drifts)
    cells = (cell.words or "-" for cell in row.cells)
    return row.name, row.created_utc[:16], *cells, row.stored or "-", drifts or "-"

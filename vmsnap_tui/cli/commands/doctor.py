"""Find what is stale, broken or in danger, with the evidence and what to do.

The exit code is 3 where there is an alarm or a warning.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "find what is stale or broken, and what to do"
CONNECTS = options.Connects.IF_ANY


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM", nargs="?")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    findings = await engine.doctor(ns.vm)
    if console.out.as_json:
        console.out.document([asdict(finding) for finding in findings])
    elif not findings:
        console.err.say("nothing found")
    else:
        for finding in findings:
            head = f"{finding.severity}: {finding.kind}: {finding.subject}"
            console.out.line(head)
            for part in (finding.evidence, finding.remedy):
                if part:
                    console.out.line(f"    {part}")
    serious = any(finding.severity != "note" for finding in findings)
    return ExitCode.WARNINGS if serious else ExitCode.DONE

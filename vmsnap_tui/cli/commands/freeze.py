"""Freeze a guest's file systems for some seconds, through its agent, then thaw them.

The thaw comes from a guard process of its own: it thaws at the deadline and also
when this program is killed. Ctrl-C thaws at once.
"""

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode, StepFailed
from vmsnap_tui.units import format_duration

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "freeze a guest's file systems for some seconds"
CONNECTS = options.Connects.NEEDED


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM")
    parser.add_argument(
        "--for", dest="seconds", metavar="SECONDS", type=_seconds, required=True
    )
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.able import require
    from vmsnap_tui.model.limit import Ability

    vm = engine.find_vm(ns.vm)
    require(vm, Ability.FREEZE, f"freeze {vm.name}")
    console.err.say(f"freezing {vm.name} for {format_duration(ns.seconds)}")
    report = await engine.freeze(vm, ns.seconds)
    if console.out.as_json:
        console.out.document(
            {
                "vm": vm.name,
                "filesystems": report.filesystems,
                "freeze_window_s": report.window_s,
                "reason": report.reason,
            }
        )
    else:
        window_s = report.window_s
        lasted = "unknown" if window_s is None else format_duration(window_s)
        console.out.line(
            f"{report.filesystems} file systems of {vm.name} were frozen for"
            f" {lasted}: {report.reason}"
        )
    if not report.may_be_frozen:
        return ExitCode.DONE
    raise StepFailed(
        f"{vm.name} was frozen and did not answer the thaw",
        evidence=report.reason,
        remedy=f"run `vmsnap-tui thaw {vm.name}` at once",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not a number of seconds: {text!r}") from error
    if not (math.isfinite(seconds) and 0 < seconds <= 3600):
        raise ArgumentTypeError(f"not between 0 and 3600 seconds: {text!r}")
    return seconds

"""Thaw a guest's file systems; thawing what is not frozen does no harm."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine

SUMMARY = "thaw a guest's file systems"
CONNECTS = options.Connects.NEEDED


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    vm = engine.find_vm(ns.vm)
    count = await engine.thaw(vm)
    if console.out.as_json:
        console.out.document({"vm": vm.name, "filesystems": count})
    else:
        console.out.line(f"{count} file systems of {vm.name} thawed")
    return ExitCode.DONE

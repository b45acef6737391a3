"""Finish what an interrupted run left: go on with it, or take it back.

Which of the two is decided by how far it had come, and is said before it is done.
Without OPERATION all that are unfinished. An operation that a living process is
still working on is left alone.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode, Locked, NotFound, VmsnapError

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.journal import Unfinished

SUMMARY = "finish or undo what an interrupted run left"
CONNECTS = options.Connects.IF_ANY


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OPERATION", nargs="?")
    options.add_json(parser)
    options.add_dry_run(parser)
    options.add_yes(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    found = _chosen(engine.unfinished(), ns.operation)
    todo = [one for one in found if not one.alive]
    reports = {one.operation: _fields(one) for one in found}
    if not console.out.as_json:
        _tell(found, console)
    try:
        if todo and not ns.dry_run:
            await console.confirm("recover now?", yes=ns.yes)
            return await _recover(engine, todo, reports, console)
    finally:
        if console.out.as_json:
            console.out.document(list(reports.values()))
    return ExitCode.DONE


async def _recover(
    engine: "Engine",
    todo: "list[Unfinished]",
    reports: dict[str, dict[str, object]],
    console: "Console",
) -> ExitCode:
    """Every one, also when one fails; the worst end is the exit code.

    One that was taken back is recovered: that is what was promised of it.
    """
    from vmsnap_tui.cli.diagnostics import exit_code, failure
    from vmsnap_tui.cli.operation import attend, result_fields

    worst = ExitCode.DONE
    for one in todo:
        if console.interrupts.asked:
            break
        try:
            result = await attend(engine.recover(one.operation), console)
        except VmsnapError as refused:
            worst = max(worst, console.err.error(refused))
            continue
        reports[one.operation] |= result_fields(result)
        error = failure(result)
        if error is None or error.exit_code is ExitCode.UNDONE:
            console.err.say(f"{one.title}: {result.outcome.value}")
            worst = max(worst, exit_code(result) if error is None else ExitCode.DONE)
        else:
            worst = max(worst, console.err.error(error))
    return worst


def _chosen(
    unfinished: "tuple[Unfinished, ...]", operation: str | None
) -> "list[Unfinished]":
    if operation is None:
        return list(unfinished)
    found = [one for one in unfinished if one.operation == operation]
    if not found:
        raise NotFound(
            "there is no such unfinished operation",
            evidence=operation,
            remedy="see `vmsnap-tui recover --dry-run`",
        )
    if found[0].alive:
        raise Locked(
            "a living process is still working on it",
            evidence=found[0].owner,
            remedy="wait for it, or end that process first",
        )
    return found


def _fields(one: "Unfinished") -> dict[str, object]:
    return {
        "operation": one.operation,
        "title": one.title,
        "vm": one.vm_name,
        "point": one.point,
        "started_utc": one.started_utc,
        "will": one.will,
        "alive": one.alive,
        "owner": one.owner,
        "outcome": None,
    }


def _tell(found: "list[Unfinished]", console: "Console") -> None:
    if not found:
        console.err.say("nothing is unfinished")
    for one in found:
        state = f"runs in {one.owner}" if one.alive else one.will
        console.out.line(f"{one.operation}  {one.title}  {one.started_utc}  {state}")

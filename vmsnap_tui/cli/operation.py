"""From a request to its end on the command line: plan, ask, run, tell."""

import asyncio
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from vmsnap_tui.cli.console import Console
from vmsnap_tui.cli.diagnostics import exit_code, failure
from vmsnap_tui.errors import ExitCode
from vmsnap_tui.units import format_bytes, format_duration

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.events import RunResult
    from vmsnap_tui.engine.runs import RunHandle
    from vmsnap_tui.plan.plan import Plan
    from vmsnap_tui.plan.requests import Request

LAST_WORDS_S = 1.0
"""For the narration to catch up with a run that has ended."""


async def carry_out(
    engine: "Engine", request: "Request", ns: Namespace, console: Console
) -> ExitCode:
    """Plan the request, show the plan where somebody reads along, and run it."""
    plan = await engine.plan(request)
    if ns.dry_run:
        show_plan(plan, engine.commands(plan), console)
        return ExitCode.DONE
    for warning in plan.warnings:
        console.err.warn(warning)
    if console.asks and not ns.yes and not console.out.as_json:
        for line in plan_lines(plan):
            console.err.say(line)
        await console.agree(f"{plan.title}: go?")
    result = await attend(engine.start(plan), console)
    return conclude(result, console)


async def attend(handle: "RunHandle", console: Console) -> "RunResult":
    """Tell a run until it ends; the first Ctrl-C takes it back in order."""
    from vmsnap_tui.cli.narration import Narration

    narration = Narration(console.err)

    async def tell() -> None:
        async for event in handle.events():
            narration.tell(event)

    def cancel() -> None:
        console.err.say(
            "interrupted: taking back what can be taken back;"
            " once more leaves at once, and `recover` finishes it"
        )
        handle.cancel()

    with console.interrupts.instead(cancel):
        telling = asyncio.create_task(tell())
        try:
            return await handle.result()
        finally:
            await asyncio.wait({telling}, timeout=LAST_WORDS_S)
            telling.cancel()


def conclude(result: "RunResult", console: Console) -> ExitCode:
    """Print how the run ended, and say so to the shell."""
    if console.out.as_json:
        console.out.document(result_fields(result))
    elif result.error == "":
        for line in result_lines(result):
            console.out.line(line)
    for warning in result.warnings:
        console.err.warn(warning)
    error = failure(result)
    if error is not None:
        return console.err.error(error)
    return exit_code(result)


def result_fields(result: "RunResult") -> dict[str, object]:
    """The contract's `{operation, outcome, point, level, disks, …}`."""
    fields = asdict(result)
    vm = fields.pop("vm_name")
    return fields | {"outcome": result.outcome.value, "vm": vm}


def result_lines(result: "RunResult") -> list[str]:
    lines = [f"{result.title}: {result.outcome.value}"]
    if result.point:
        lines.append(f"point        {result.point}")
    for disk in result.disks:
        size = format_bytes(disk.bytes) if disk.file else ""
        parts = [disk.level, size, disk.file, disk.reason]
        lines.append(f"{disk.target:<12} " + "  ".join(p for p in parts if p))
    if result.consistency:
        lines.append(f"consistency  {result.consistency}")
    if result.freeze_window_s is not None:
        lines.append(f"frozen for   {format_duration(result.freeze_window_s)}")
    lines.append(f"took         {format_duration(result.elapsed_s)}")
    return lines


def show_plan(
    plan: "Plan", commands: tuple[tuple[str, ...], ...], console: Console
) -> None:
    """The whole plan with its exact commands, as the data of `--dry-run`."""
    if console.out.as_json:
        fields = plan.to_json()
        fields["commands"] = [list(lines) for lines in commands]
        console.out.document(fields)
        return
    for line in plan_lines(plan):
        console.out.line(line)
    console.out.line("\ncommands:")
    for number, lines in enumerate(commands, start=1):
        for line in lines:
            console.out.line(f"  {number}. {line}")
    for warning in plan.warnings:
        console.out.line(f"warning: {warning}")


def plan_lines(plan: "Plan") -> list[str]:
    """What the operator reads before saying yes."""
    lines = [plan.title, ""]
    for disk in plan.disks:
        size = format_bytes(disk.estimated_bytes)
        lines.append(f"  {disk.target}  {disk.level}  about {size}  {disk.reason}")
    lines += ["", *(f"  {line}" for line in plan.lines()), ""]
    if plan.undoable and plan.commit_index < len(plan.steps):
        number = plan.commit_index + 1
        lines.append(f"  before step {number} a failure is undone; then it stands")
    lines += _consequences(plan)
    return lines


def _consequences(plan: "Plan") -> list[str]:
    free = plan.estimates.free_bytes
    room = format_bytes(plan.estimates.bytes) if plan.estimates.bytes else ""
    said = {
        "writes about": room if free is None else f"{room} of {format_bytes(free)}",
        "the guest": plan.guest_effect,
        "if you leave": plan.if_you_leave,
        "if it breaks": plan.if_it_breaks,
        "afterwards": plan.afterwards,
    }
    return [f"  {name}: {text}" for name, text in said.items() if text]

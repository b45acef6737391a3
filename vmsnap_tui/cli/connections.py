"""The connections that are up, with a word about those that are not."""

from typing import TYPE_CHECKING

from vmsnap_tui.cli.console import Console
from vmsnap_tui.errors import ExitCode, NoConnection

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.events import ConnectionView
    from vmsnap_tui.model.vm import Vm


def machines(engine: "Engine", console: Console) -> "tuple[list[Vm], ExitCode]":
    """Every machine that can be seen, and how whole that picture is.

    A connection that is down is told and makes the code WARNINGS. Raises NoConnection
    where none is up: an empty answer would be read as an empty host.
    """
    up = [view for view in engine.fleet if not view.stale]
    down = [view for view in engine.fleet if view.stale]
    if not up:
        raise _none_is_up(down)
    for view in down:
        console.err.warn(f"{view.uri} is down: {view.reason}")
    code = ExitCode.WARNINGS if down else ExitCode.DONE
    return [vm for view in up for vm in view.vms], code


def _none_is_up(down: "list[ConnectionView]") -> NoConnection:
    return NoConnection(
        "no connection is up",
        evidence="; ".join(f"{view.uri}: {view.reason}" for view in down),
        remedy="see that the machine runs and that its monitor is free",
    )

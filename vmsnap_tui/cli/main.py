"""The headless front end: one verb, one exit code."""

import os
import sys
from argparse import Namespace
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.cli.diagnostics import Diagnostics, Interrupted, keep_tracebacks
from vmsnap_tui.cli.output import Output
from vmsnap_tui.errors import ExitCode, NoConnection, VmsnapError

if TYPE_CHECKING:
    from vmsnap_tui.engine.settings import Settings


def main(argv: list[str]) -> int:
    """Run one verb of the command line; `argv` without the program's name."""
    err = Diagnostics(as_json="--json" in argv)
    try:
        said = options.parse(argv)
    except VmsnapError as error:
        return err.error(error)
    return run(said, err)


def run(said: Namespace, err: Diagnostics) -> int:
    """Run the verb that was said; every error of ours becomes its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(said, err)
    except VmsnapError as error:
        return err.error(error)
    except BaseExceptionGroup as group:
        return err.error(_first(group))
    except KeyboardInterrupt:
        return err.error(Interrupted("interrupted", remedy="nothing was changed"))
    except BrokenPipeError:
        # the interpreter's last flush would complain once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.UNEXPECTED


def _run(said: Namespace, err: Diagnostics) -> int:
    settings = options.settings(said)
    keep_tracebacks(settings.state_directory)
    _log_to(settings.log)
    verb = options.command(said.verb)
    if verb.CONNECTS is not options.Connects.NONE:
        settings = settings.with_discovered()
        if not settings.connections and verb.CONNECTS is options.Connects.NEEDED:
            raise NoConnection(
                "there is nothing to connect to",
                evidence="no --connect, no libvirt on this host, and no running QEMU"
                " with a QMP socket in sight",
                remedy="say --connect qemu:///system or --connect qmp:///path/to/socket,"
                " or run `vmsnap-tui demo`",
            )
    import asyncio

    return asyncio.run(_attend(verb, settings, said, err))


async def _attend(
    verb: ModuleType, settings: "Settings", said: Namespace, err: Diagnostics
) -> int:
    import asyncio

    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.cli.interrupts import Interrupts
    from vmsnap_tui.engine.engine import Engine

    task = asyncio.current_task()
    assert task is not None
    interrupts = Interrupts()
    interrupts.watch(task.cancel)
    console = Console(Output(as_json=said.json), err, interrupts)
    engine = Engine(settings)
    try:
        if verb.CONNECTS is not options.Connects.NONE:
            await engine.open()
        code: ExitCode = await verb.run(engine, said, console)
        return code
    except asyncio.CancelledError:
        if not interrupts.asked:
            raise
        return err.error(Interrupted("interrupted"))
    finally:
        await engine.close()


def _first(group: BaseExceptionGroup[BaseException]) -> VmsnapError:
    """The error of ours in a group of tasks' errors; without one the group goes on."""
    ours = group.subgroup(VmsnapError)
    if ours is None:
        raise group
    found: BaseException = ours
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, VmsnapError)
    return found


def _log_to(path: Path | None) -> None:
    """What libraries log goes to the operator's file, and never to the terminal."""
    import logging

    handler: logging.Handler = logging.NullHandler()
    if path is not None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise VmsnapError(
                "the log cannot be opened",
                evidence=str(error),
                remedy="name a file that can be written",
            ) from error
        handler = logging.StreamHandler(
            os.fdopen(descriptor, "a", encoding="utf-8", errors="replace")
        )
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        )
        logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)

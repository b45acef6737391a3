"""`vmsnap-tui`: a verb goes to the CLI, none opens the UI; imported when needed."""

import gc
import sys

GARBAGE_AFTER_OBJECTS = 50_000
"""Python's own 700 search what was just imported a hundred times before the screen is
there: a sixth of the time until then, and nothing is found."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmsnap_tui.cli.diagnostics import Diagnostics
    from vmsnap_tui.engine.settings import Settings


def main(argv: list[str] | None = None) -> int:
    """Run the program; the answer is the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words == ["--version"]:
        return _print_version()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS)
    from vmsnap_tui.cli.diagnostics import Diagnostics, Interrupted, keep_tracebacks
    from vmsnap_tui.cli.options import parse, settings
    from vmsnap_tui.errors import VmsnapError

    err = Diagnostics(as_json="--json" in words)
    try:
        said = parse(words)
        if said.verb in (None, "demo"):
            chosen = settings(said)
            keep_tracebacks(chosen.state_directory)
            return _demo(chosen, err) if said.verb else _open_ui(chosen)
    except VmsnapError as error:
        return err.error(error)
    except KeyboardInterrupt:
        return err.error(Interrupted("interrupted"))
    from vmsnap_tui.cli.main import run

    return run(said, err)


def _print_version() -> int:
    """What monitoring asks of every host: without the 40 ms of a parser."""
    from vmsnap_tui import __version__

    sys.stdout.write(f"vmsnap-tui {__version__}\n")
    return 0


def _open_ui(settings: "Settings", title: str = "") -> int:
    from vmsnap_tui.tui import launch

    return launch.run(settings.with_discovered(), title=title)


def _demo(settings: "Settings", err: "Diagnostics") -> int:
    """The UI on the lab's machines and repository; the lab is gone afterwards.

    Journals are kept in the lab too: what is left of an operation on a machine that
    is no more is nobody's business.
    """
    from dataclasses import replace

    from vmsnap_tui.cli.commands.demo import lab_running

    _require_terminal()
    with lab_running(err.say) as lab:
        there = replace(
            settings,
            connections=lab.connections,
            repository=lab.repository,
            state_directory=lab.repository.parent / "state",
        )
        return _open_ui(there, "lab")


def _require_terminal() -> None:
    """Before machines are started for a screen that cannot be shown."""
    import os

    from vmsnap_tui.errors import UsageError
    from vmsnap_tui.tui import terminal

    if refused := terminal.refusal(
        stdin_is_tty=sys.stdin.isatty(),
        stderr_is_tty=sys.stderr.isatty(),
        term=os.environ.get("TERM", ""),
    ):
        raise UsageError(refused)

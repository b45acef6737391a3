"""Open the screen: refuse where there is no terminal, end with an exit code."""

import gc
import os
import sys

from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import UsageError
from vmsnap_tui.tui import terminal


def run(settings: Settings, *, title: str = "") -> int:
    """Show the interface until the operator leaves; the exit code of the process.

    Raises UsageError where there is no terminal to draw on: the caller says it.
    """
    if refused := terminal.refusal(
        stdin_is_tty=_is_tty(sys.__stdin__),
        stderr_is_tty=_is_tty(sys.__stderr__),
        term=os.environ.get("TERM", ""),
    ):
        raise UsageError(refused)
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.tui.app import VmsnapApp
    from vmsnap_tui.tui.glyphs import glyphs_for
    from vmsnap_tui.tui.theme import DEFAULT_THEME

    encoding = terminal.stderr_encoding()
    app = VmsnapApp(
        Engine(settings),
        place=title,
        glyphs=glyphs_for(encoding),
        encoding=encoding,
        theme=settings.theme or DEFAULT_THEME,
    )
    keep_what_is_imported()
    app.run()
    return app.return_code or 0


def keep_what_is_imported() -> None:
    """Nothing of it is ever garbage: the collector, at which every key waits for a
    tenth of a second where a thousand machines are listed, looks at the rest."""
    gc.freeze()


def _is_tty(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())

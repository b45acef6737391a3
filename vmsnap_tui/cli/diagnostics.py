"""stderr and exit codes: narration, progress and errors. The one module of both."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from vmsnap_tui.errors import (
    ConnectionLost,
    ExitCode,
    RunStuck,
    StepFailed,
    VmsnapError,
)
from vmsnap_tui.text import clipped, visible

if TYPE_CHECKING:
    from vmsnap_tui.engine.events import RunResult

PROGRESS_EVERY_S = 0.1
"""Ten a second: faster than an eye reads, slow enough for a serial line."""
PLAIN_EVERY_S = 5.0
"""In a log of cron's, a line of progress now and then says that it moves."""

PROGRAM = "vmsnap-tui"


class Interrupted(VmsnapError):
    """The operator asked to stop; `remedy` says what is kept."""

    exit_code = ExitCode.INTERRUPTED
    kind = "interrupted"


class Diagnostics:
    """What the operator is told beside the data.

    A stderr that went away never stops an operation: from then on nothing is told.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.as_json = as_json
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._told_at = -PLAIN_EVERY_S
        self._status = ""
        self._nobody_reads = False

    @property
    def on_terminal(self) -> bool:
        return self._stream.isatty()

    def say(self, text: str) -> None:
        """One line for whoever reads along."""
        if self.as_json:
            self._json({"type": "message", "text": text})
        else:
            self._line(text)

    def warn(self, text: str) -> None:
        if self.as_json:
            self._json({"type": "warning", "text": text})
        else:
            self._line(f"warning: {text}")

    def prompt(self, question: str) -> None:
        """A question, with the cursor left behind it."""
        self._write(visible(question))

    def event(self, kind: str, shown: str, /, **fields: object) -> None:
        """Something that happened: a JSON object with `--json`, else what is shown."""
        if self.as_json:
            self._json({"type": kind, **fields})
        else:
            self._line(shown)

    def progress(self, shown: str, /, **fields: object) -> None:
        """How far it is: the last one counts, those that come too fast are dropped."""
        plain = not self.as_json and not self.on_terminal
        now = self._clock()
        if now - self._told_at < (PLAIN_EVERY_S if plain else PROGRESS_EVERY_S):
            return
        self._told_at = now
        if self.as_json:
            self._json({"type": "progress", **fields})
        elif plain:
            self._line(shown)
        else:
            self._redraw(shown)

    def error(self, error: VmsnapError) -> ExitCode:
        """Cause, evidence and remedy in one sentence; with `--json` the same again as
        the last line, for a program."""
        self._line(f"{PROGRAM}: {error}")
        if self.as_json:
            self._json(
                {
                    "type": "error",
                    "kind": error.kind,
                    "cause": error.cause,
                    "evidence": error.evidence,
                    "remedy": error.remedy,
                    "exit_code": int(error.exit_code),
                }
            )
        return error.exit_code

    def _redraw(self, text: str) -> None:
        import shutil

        width = shutil.get_terminal_size((80, 24)).columns - 1
        shown = clipped(text, width)
        padding = " " * max(len(self._status) - len(shown), 0)
        self._write(f"\r{shown}{padding}")
        self._status = shown

    def _line(self, text: str) -> None:
        erased = f"\r{' ' * len(self._status)}\r" if self._status else ""
        self._status = ""
        self._write(erased + "\n".join(map(visible, text.split("\n"))) + "\n")

    def _json(self, value: object) -> None:
        self._write(json.dumps(value) + "\n")

    def _write(self, text: str) -> None:
        if self._nobody_reads:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # the terminal or the reader is gone: the operation is worth more than
            # its narration, and its journal tells the same
            self._nobody_reads = True


def exit_code(result: "RunResult") -> ExitCode:
    """What a run's end is to the shell."""
    error = failure(result)
    if error is not None:
        return error.exit_code
    return ExitCode.WARNINGS if result.warnings else ExitCode.DONE


def failure(result: "RunResult") -> VmsnapError | None:
    """What broke the run, as an error with its exit code; None when it is done."""
    from vmsnap_tui.engine.events import Outcome

    cause = result.error or f"{result.title} did not end as it should"
    evidence = f"operation {result.operation}"
    again = f"run `{PROGRAM} recover {result.operation}`"
    match result.outcome:
        case Outcome.DONE:
            return None
        case Outcome.UNDONE if result.interrupted:
            kept = result.remedy or "what had been done was taken back"
            return Interrupted(cause, evidence=evidence, remedy=kept)
        case Outcome.UNDONE:
            return StepFailed(
                cause,
                evidence=evidence,
                remedy=result.remedy or "what had been done was taken back; try again",
            )
        case Outcome.UNKNOWN:
            remedy = result.remedy or again
            return ConnectionLost(cause, evidence=evidence, remedy=remedy)
        case Outcome.STUCK:
            return RunStuck(cause, evidence=evidence, remedy=result.remedy or again)


def keep_tracebacks(directory: Path) -> None:
    """From now on an error nobody foresaw is one line, and its traceback a file.

    The interpreter exits with 1 afterwards, as it does for every such error.
    """

    def hook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        import traceback

        text = "".join(traceback.format_exception(kind, error, trace))
        said = traceback.format_exception_only(error)[-1].strip()
        try:
            place = f"the traceback is in {_kept(directory, text)}"
        except OSError as refusal:
            place = f"the traceback could not be kept: {refusal}"
        Diagnostics(as_json="--json" in sys.argv).error(
            VmsnapError(
                "something happened that nobody foresaw",
                evidence=said,
                remedy=f"{place}; `{PROGRAM} recover` finishes what may be unfinished",
            )
        )

    sys.excepthook = hook


def _kept(directory: Path, text: str) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"unexpected-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path

"""The screen on a real terminal: how it begins and how it ends."""

import gc
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import UsageError
from vmsnap_tui.tui import launch

_PROGRAM = """
import sys
from pathlib import Path
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.tui.launch import run
sys.exit(run(Settings((), None, Path(sys.argv[1])), title="test"))
"""
_PATIENCE_S = 20.0
_SCREEN_ON, _SCREEN_OFF = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """The program on a pseudo terminal, and everything that it has written."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self.ours = ours
        self.written = b""

    def read_until(self, wanted: bytes) -> None:
        """Raises TimeoutError with what was written instead."""
        deadline = time.monotonic() + _PATIENCE_S
        while wanted not in self.written:
            if not select.select([self.ours], [], [], 0.5)[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError(self.written[-400:])
                continue
            self.written += os.read(self.ours, 65536)


@contextmanager
def on_a_terminal(directory: Path, **environment: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(directory)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(directory),
            **environment,
        },
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if terminal.ours >= 0:
            os.close(terminal.ours)


def test_without_a_terminal_it_refuses_and_names_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr(sys, "__stderr__", file)
        with pytest.raises(UsageError, match="ssh -t"):
            launch.run(Settings((), None, tmp_path))


def test_q_leaves_with_nothing(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as terminal:
        terminal.read_until(b"Quit")
        os.write(terminal.ours, b"q")
        terminal.read_until(_SCREEN_OFF)
        assert terminal.process.wait(_PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_gives_the_terminal_back(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with on_a_terminal(tmp_path) as terminal:
        terminal.read_until(b"Quit")
        assert _SCREEN_ON in terminal.written
        terminal.process.send_signal(number)
        terminal.read_until(_SCREEN_OFF)
        assert terminal.process.wait(_PATIENCE_S) == code


def test_a_terminal_that_goes_without_a_signal_ends_it(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as terminal:
        terminal.read_until(b"Quit")
        os.close(terminal.ours)
        terminal.ours = -1
        assert terminal.process.wait(_PATIENCE_S) == 129


def test_without_utf_8_every_byte_is_plain(tmp_path: Path) -> None:
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    with on_a_terminal(tmp_path, **environment) as terminal:
        terminal.read_until(b"Quit")
        assert terminal.written.isascii()
        assert b"\\u" not in terminal.written


def test_what_is_imported_is_no_part_of_what_the_collector_looks_at() -> None:
    try:
        launch.keep_what_is_imported()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()

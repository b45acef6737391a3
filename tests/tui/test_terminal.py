"""What the terminal must be able to do, and how it is missed when it is gone."""

import asyncio
import os
import pty
import signal

import pytest

from vmsnap_tui.tui import terminal


@pytest.mark.parametrize(("stdin", "stderr"), [(False, True), (True, False)])
def test_without_a_terminal_the_verbs_are_named(stdin: bool, stderr: bool) -> None:
    said = terminal.refusal(stdin_is_tty=stdin, stderr_is_tty=stderr, term="xterm")
    assert "ssh -t" in said
    assert "vmsnap-tui list" in said


def test_a_dumb_terminal_is_refused() -> None:
    said = terminal.refusal(stdin_is_tty=True, stderr_is_tty=True, term="dumb")
    assert "TERM" in said


@pytest.mark.parametrize("term", ["xterm-256color", "linux", ""])
def test_any_other_terminal_will_do(term: str) -> None:
    assert not terminal.refusal(stdin_is_tty=True, stderr_is_tty=True, term=term)


def test_a_closed_terminal_is_seen() -> None:
    ours, theirs = pty.openpty()
    try:
        assert not terminal.hung_up(theirs)
        os.close(ours)
        assert terminal.hung_up(theirs)
    finally:
        os.close(theirs)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
async def test_a_signal_says_the_exit_code(number: signal.Signals, code: int) -> None:
    left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    terminal.watch_signals(left.set_result)
    try:
        os.kill(os.getpid(), number)
        assert await left == code
    finally:
        for each in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(each)


def test_the_encoding_is_never_unknown() -> None:
    assert terminal.stderr_encoding()

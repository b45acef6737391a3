import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmsnap_tui.cli.diagnostics import Diagnostics, exit_code, failure
from vmsnap_tui.engine.events import Outcome, RunResult
from vmsnap_tui.errors import ExitCode, Locked, NotFound


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def _ended(outcome: Outcome, **more: object) -> RunResult:
    result = RunResult("op1", outcome, "back up web-01", "web-01", error="it broke")
    for name, value in more.items():
        object.__setattr__(result, name, value)
    return result


def test_an_error_is_one_sentence_and_its_exit_code() -> None:
    stream = io.StringIO()
    code = Diagnostics(stream=stream).error(
        Locked("web-01 is locked", evidence="pid 7\x1b[31m", remedy="wait")
    )
    assert code is ExitCode.LOCKED
    assert stream.getvalue() == "vmsnap-tui: web-01 is locked (pid 7␛[31m); wait\n"


def test_with_json_the_last_line_of_an_error_is_an_object() -> None:
    stream = io.StringIO()
    Diagnostics(as_json=True, stream=stream).error(NotFound("no", remedy="look"))
    assert json.loads(stream.getvalue().splitlines()[-1]) == {
        "type": "error",
        "kind": "not-found",
        "cause": "no",
        "evidence": "",
        "remedy": "look",
        "exit_code": 10,
    }


def test_progress_comes_at_most_ten_times_a_second() -> None:
    stream, clock = io.StringIO(), Clock()
    err = Diagnostics(as_json=True, stream=stream, clock=clock)
    for _ in range(100):
        clock.now_s += 0.0101
        err.progress("", done_bytes=1)
    assert 9 <= len(stream.getvalue().splitlines()) <= 11


def test_progress_on_a_terminal_is_one_line_drawn_anew() -> None:
    stream, clock = Terminal(), Clock()
    err = Diagnostics(stream=stream, clock=clock)
    err.progress("vda 10%  long")
    clock.now_s += 1
    err.progress("vda 20%")
    err.say("done")
    shown = stream.getvalue().split("\r")
    assert shown[1:3] == ["vda 10%  long", "vda 20%      "]
    assert shown[-1] == "done\n"


def test_progress_in_a_pipe_is_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    err = Diagnostics(stream=stream, clock=clock)
    err.progress("vda 10%")
    clock.now_s += 1
    err.progress("vda 20%")
    clock.now_s += 5
    err.progress("vda 30%")
    assert stream.getvalue() == "vda 10%\nvda 30%\n"


def test_a_reader_that_went_away_does_not_stop_the_operation() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, write_through=True)
        err = Diagnostics(stream=stream)
        err.say("nobody reads this")
        err.say("nor this")
        stream.detach()


@pytest.mark.parametrize(
    ("outcome", "interrupted", "code"),
    [
        (Outcome.UNDONE, False, ExitCode.UNDONE),
        (Outcome.UNDONE, True, ExitCode.INTERRUPTED),
        (Outcome.UNKNOWN, False, ExitCode.UNKNOWN),
        (Outcome.UNKNOWN, True, ExitCode.UNKNOWN),
        (Outcome.STUCK, False, ExitCode.STUCK),
    ],
)
def test_how_a_run_broke_is_its_exit_code(
    outcome: Outcome, interrupted: bool, code: ExitCode
) -> None:
    result = _ended(outcome, interrupted=interrupted)
    assert exit_code(result) is code
    error = failure(result)
    assert error is not None and error.cause == "it broke" and error.remedy != ""


def test_a_run_that_is_done_exits_with_0_or_3() -> None:
    assert exit_code(_ended(Outcome.DONE, error="")) is ExitCode.DONE
    warned = _ended(Outcome.DONE, error="", warnings=("a bitmap stayed",))
    assert exit_code(warned) is ExitCode.WARNINGS


def test_an_unforeseen_error_is_one_line_and_a_private_file(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from vmsnap_tui.cli.diagnostics import keep_tracebacks\n"
        "keep_tracebacks(pathlib.Path(sys.argv[1]))\n"
        "{}['chain']"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1 and "KeyError: 'chain'" in ended.stderr
    (kept,) = (tmp_path / "state").iterdir()
    assert "Traceback" in kept.read_text()
    assert str(kept) in ended.stderr
    assert kept.stat().st_mode & 0o777 == 0o600

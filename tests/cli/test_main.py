import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, ended, unread
from tests.conftest import StartMachine
from vmsnap_tui.cli import main as cli
from vmsnap_tui.errors import NoConnection, NotFound


async def test_a_usage_error_is_one_line_and_2(shell: Shell) -> None:
    said = await shell.run("bakup", "--json")
    assert (said.code, said.out) == (2, "")
    assert said.told[-1]["kind"] == "usage"
    assert said.err.count("\n") == 2


async def test_a_state_directory_that_is_none_is_refused(
    shell: Shell, machine: StartMachine
) -> None:
    shell.state.write_text("not a directory")
    said = await shell.run("backup", "web-01", "--json", machine=await machine())
    assert said.code == 4 and "Traceback" not in said.err
    assert said.told[-1]["exit_code"] == 4
    assert "VMSNAP_STATE_DIR" in said.told[-1]["remedy"]


async def test_what_nobody_foresaw_is_one_line(lab_directory: Path) -> None:
    code = (
        "import sys\n"
        "from vmsnap_tui.cli.commands import doctor\n"
        "async def run(*_): raise KeyError('nobody')\n"
        "doctor.run = run\n"
        "from vmsnap_tui.entry import main\n"
        "sys.exit(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        *("--connect", "qmp:///nobody.sock", "doctor", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "VMSNAP_STATE_DIR": str(lab_directory / "state")},
    )
    said = await ended(process)
    assert said.code == 1 and "Traceback" not in said.err
    assert said.told[-1]["exit_code"] == 1


async def test_a_reader_that_goes_away_makes_no_noise(shell: Shell) -> None:
    process = await shell.start("--connect", "qmp:///nobody.sock", "recover", "--json")
    unread(process, 1)
    assert await process.wait() == 1
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_narration_that_nobody_reads_does_not_break_a_backup(
    shell: Shell, machine: StartMachine
) -> None:
    process = await shell.start("backup", "web-01", "--json", machine=await machine())
    unread(process, 2)
    assert process.stdout is not None
    assert b'"outcome": "done"' in await process.stdout.read()
    assert await process.wait() == 0


async def test_sigterm_before_a_run_changes_nothing(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    process = await shell.start("events", machine=web)
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    said = await ended(process)
    assert said.code == 130 and "interrupted" in said.err


async def test_the_log_is_private_and_holds_the_wire(
    shell: Shell, machine: StartMachine
) -> None:
    log = shell.state.parent / "expert.log"
    before = os.umask(0)
    try:
        said = await shell.run("--log", str(log), "list", machine=await machine())
    finally:
        os.umask(before)
    assert said.code == 0 and said.err == ""
    assert log.stat().st_mode & 0o777 == 0o600
    assert "query-" in log.read_text()


async def test_a_log_that_cannot_be_written_is_said(shell: Shell) -> None:
    said = await shell.run("--log", "/proc/nobody/log", "points")
    assert said.code == 1 and "the log cannot be opened" in said.err


def test_the_error_of_ours_is_found_in_a_group() -> None:
    ours = NoConnection("down")
    group = BaseExceptionGroup("", [BaseExceptionGroup("", [ours])])
    assert cli._first(group) is ours
    with pytest.raises(ExceptionGroup):
        cli._first(ExceptionGroup("", [KeyError("chain")]))


def test_main_runs_a_verb_in_this_process(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VMSNAP_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    code = cli.main(["--repo", str(tmp_path / "none"), "points"])
    assert code == NotFound.exit_code
    assert "there is no repository" in capsys.readouterr().err

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vmsnap_tui import __version__
from vmsnap_tui.entry import main


def _run(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vmsnap_tui", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **more},
    )


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vmsnap-tui {__version__}\n"


def test_the_version_is_told_beside_other_words_too() -> None:
    said = _run("--repo", "/r", "--version")
    assert (said.returncode, said.stdout) == (0, f"vmsnap-tui {__version__}\n")


def test_what_is_imported_is_not_searched_for_garbage_again_and_again() -> None:
    code = (
        "import atexit, gc; from vmsnap_tui.entry import main;"
        " atexit.register(lambda: print(gc.get_threshold()[0])); main(['no-such-verb'])"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert int(done.stdout) > 10_000


def test_the_manual_is_data() -> None:
    said = _run("--help")
    assert said.returncode == 0 and "exit codes:" in said.stdout and said.stderr == ""


def test_a_wrong_verb_is_2() -> None:
    said = _run("bakup")
    assert said.returncode == 2 and said.stderr.count("\n") == 1


def test_the_ui_without_a_terminal_says_what_to_do(tmp_path: Path) -> None:
    said = _run("--connect", "qmp:///nobody.sock", VMSNAP_STATE_DIR=str(tmp_path))
    assert said.returncode == 2 and said.stdout == ""
    assert "\x1b" not in said.stderr and "ssh -t" in said.stderr


def test_the_demo_without_a_terminal_starts_no_machine(tmp_path: Path) -> None:
    said = _run("demo", VMSNAP_STATE_DIR=str(tmp_path))
    assert said.returncode == 2 and "starting" not in said.stderr


def test_a_dumb_terminal_is_refused(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "vmsnap_tui", "--connect", "qmp:///nobody.sock"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        check=False,
        env={**os.environ, "TERM": "dumb", "VMSNAP_STATE_DIR": str(tmp_path)},
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.returncode == 2 and "\x1b" not in shown and "TERM" in shown


@pytest.mark.guest
def test_ctrl_c_while_the_demo_starts_leaves_nothing_behind(
    lab_directory: Path,
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vmsnap_tui", "demo"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={
            **os.environ,
            "TERM": "xterm",
            "TMPDIR": str(lab_directory),
            "VMSNAP_STATE_DIR": str(lab_directory / "state"),
        },
    ) as process:
        os.close(theirs)
        shown = _until(ours, "starting web-01")
        assert list(lab_directory.glob("vmsnap-lab-*")) != []
        process.send_signal(signal.SIGINT)
        shown += _until(ours, "interrupted")
        assert process.wait() == 130
    os.close(ours)
    assert "Traceback" not in shown
    assert list(lab_directory.glob("vmsnap-lab-*")) == []


def _until(terminal: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown

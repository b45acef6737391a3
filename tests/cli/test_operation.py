"""The road from a request to its end, with somebody at the terminal."""

import os
import pty
import signal
import subprocess
import sys

from tests.cli.conftest import Shell, fill
from tests.conftest import StartMachine
from vmsnap_tui.lab.machines import Machine


class Terminal:
    """vmsnap-tui on a terminal of its own: read what it shows, type what it asks."""

    def __init__(self, shell: Shell, machine: Machine, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vmsnap_tui",
                "--connect",
                machine.connection,
                "--repo",
                str(shell.repository),
                *words,
            ],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "VMSNAP_STATE_DIR": str(shell.state)},
            start_new_session=True,
        )
        os.close(theirs)

    def see(self, text: str) -> None:
        while text not in self.shown:
            self.shown += self._read()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def leave(self) -> int:
        while part := self._read(end=""):
            self.shown += part
        os.close(self._ours)
        return self.process.wait()

    def _read(self, end: str | None = None) -> str:
        try:
            return os.read(self._ours, 65536).decode(errors="replace")
        except OSError as error:
            # how a terminal tells that its last user has closed it
            if end is None:
                raise AssertionError(self.shown) from error
            return end


async def test_the_plan_is_read_before_the_answer(
    shell: Shell, machine: StartMachine
) -> None:
    terminal = Terminal(shell, await machine(), "backup", "web-01")
    terminal.see("go? [y/N] ")
    assert "1. prepare point" in terminal.shown and "if it breaks" in terminal.shown
    terminal.type("y\n")
    assert terminal.leave() == 0
    assert "backup web-01: done" in terminal.shown


async def test_no_is_no(shell: Shell, machine: StartMachine) -> None:
    terminal = Terminal(shell, await machine(), "backup", "web-01")
    terminal.see("[y/N] ")
    terminal.type("\n")
    assert terminal.leave() == 4
    assert "not confirmed" in terminal.shown
    assert not shell.repository.exists()


async def test_ctrl_c_at_the_question_changes_nothing(
    shell: Shell, machine: StartMachine
) -> None:
    terminal = Terminal(shell, await machine(), "backup", "web-01")
    terminal.see("[y/N] ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.leave() == 130
    assert not shell.repository.exists()


async def test_yes_does_not_ask(shell: Shell, machine: StartMachine) -> None:
    terminal = Terminal(shell, await machine(), "backup", "web-01", "--yes")
    assert terminal.leave() == 0
    assert "[y/N]" not in terminal.shown


async def test_no_escape_of_a_name_reaches_the_terminal(
    shell: Shell, machine: StartMachine
) -> None:
    hostile = "web\x1b]52;c;aGk=\x07\x1b[31m"
    web = await machine(name=hostile)
    terminal = Terminal(shell, web, "backup", web.uuid, "--yes")
    assert terminal.leave() == 0
    assert "\x1b" not in terminal.shown and "\x07" not in terminal.shown


async def test_a_second_ctrl_c_leaves_a_journal_to_recover(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await fill(web)
    terminal = Terminal(shell, web, "backup", "web-01", "--speed", "64K", "--yes")
    terminal.see("of 64.0 MiB")
    terminal.process.send_signal(signal.SIGINT)
    terminal.see("interrupted: taking back")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.leave() == 130
    for job in await web.lab.execute("query-block-jobs"):
        # what was not yet being taken back goes on, as slowly as it was asked to
        await web.lab.execute("block-job-set-speed", device=job["device"], speed=0)
    recovered = await shell.run("recover", "--yes", "--json", machine=web)
    assert recovered.code == 0
    assert await web.lab.execute("query-jobs") == []

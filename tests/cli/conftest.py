"""The command line as an operator's shell runs it: a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vmsnap_tui.lab.machines import Machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts a machine says so, for the matrix of QEMU versions."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "machine" in fixtures and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.qemu)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The JSON lines of stderr."""
        return [
            json.loads(line) for line in self.err.splitlines() if line.startswith("{")
        ]

    def told_of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.told if line["type"] == kind]


class Shell:
    """Runs vmsnap-tui on one repository and one state directory."""

    def __init__(self, directory: Path) -> None:
        self.repository = directory / "repository"
        self.state = directory / "state"
        self.processes: list[Process] = []

    async def start(self, *words: str, machine: Machine | None = None) -> Process:
        """Start it; a machine is connected to by its product monitor."""
        connect = ["--connect", machine.connection] if machine else []
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "vmsnap_tui",
            *connect,
            "--repo",
            str(self.repository),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "VMSNAP_STATE_DIR": str(self.state)},
        )
        self.processes.append(process)
        return process

    async def run(self, *words: str, machine: Machine | None = None) -> Ended:
        return await ended(await self.start(*words, machine=machine))

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def ended(process: Process) -> Ended:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def unread(process: Process, stream: int) -> None:
    """Close our end of a pipe of the process, as a reader that goes away does."""
    pipe = process._transport.get_pipe_transport(stream)  # type: ignore[attr-defined]
    pipe.close()


async def until_told(process: Process, what: str) -> None:
    """Until a line of stderr says so."""
    assert process.stderr is not None
    seen = []
    async for line in process.stderr:
        seen.append(line.decode())
        if what in seen[-1]:
            return
    raise AssertionError(f"never said {what!r}: {''.join(seen)}")


async def stop_in_mid_copy(process: Process, how: signal.Signals) -> None:
    """Send the signal while the jobs of a throttled backup are copying."""
    await until_told(process, '"done_bytes"')
    process.send_signal(how)


@pytest.fixture
async def shell(lab_directory: Path) -> AsyncIterator[Shell]:
    """`await shell.run("backup", "web-01", machine=machine)`."""
    found = Shell(lab_directory)
    yield found
    await found.stop()


async def fill(machine: Machine, target: str = "vda", mebibytes: int = 8) -> None:
    """Data enough for a throttled backup to be caught in the middle."""
    await machine.qemu_io(target, f"write -P 7 0 {mebibytes}M")

"""Run a program on data that is not trusted: no shell, no terminal, under limits."""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.units import GiB

_STDERR_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024

_PACKAGES = {"qemu-img": "qemu-utils (Debian) or qemu-img", "prlimit": "util-linux"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the child may use at most; None: as much as its parent."""

    memory_bytes: int = 4 * GiB
    cpu_s: int | None = None
    file_bytes: int | None = None

    @property
    def arguments(self) -> list[str]:
        chosen = {"as": self.memory_bytes, "core": 0}
        chosen |= {} if self.cpu_s is None else {"cpu": self.cpu_s}
        chosen |= {} if self.file_bytes is None else {"fsize": self.file_bytes}
        return [f"--{name}={value}" for name, value in chosen.items()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. `stderr` is untrusted text, its beginning only."""

    returncode: int
    stderr: str

    @property
    def evidence(self) -> str:
        how = f"exit code {self.returncode}"
        if self.returncode < 0:
            how = f"killed by {_signal_name(-self.returncode)}"
        return f"{how}: {self.stderr}" if self.stderr else how


async def run(
    program: str,
    arguments: list[str],
    limits: Limits,
    output: Callable[[bytes], None],
) -> Outcome:
    """Run to the end, or kill it when cancelled; `output` is fed stdout as it comes.

    Limits are set by prlimit(1) before the program starts, because setting them
    from here would race with it. Raises VmsnapError when either is not
    installed or cannot be started.
    """
    command = [_found("prlimit"), *limits.arguments, "--", _found(program), *arguments]
    process = await _started(program, command)
    try:
        stderr, _ = await asyncio.gather(_stderr(process), _stdout(process, output))
        returncode = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return Outcome(returncode, stderr.decode("utf-8", "surrogateescape").strip())


async def _started(program: str, command: list[str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for us to turn into a cancel
        )
    except OSError as error:
        raise VmsnapError(
            f"{program} cannot be started",
            evidence=str(error),
            remedy="see the limits on processes, open files and arguments",
        ) from error


async def _stdout(process: Process, output: Callable[[bytes], None]) -> None:
    assert process.stdout is not None
    while data := await process.stdout.read(_CHUNK_BYTES):
        output(data)


async def _stderr(process: Process) -> bytes:
    assert process.stderr is not None
    kept = b""
    while data := await process.stderr.read(_CHUNK_BYTES):
        kept = (kept + data)[:_STDERR_BYTES]
    return kept


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise VmsnapError(
            f"{program} is not installed",
            evidence=f"not in PATH ({os.environ.get('PATH', '')})",
            remedy=f"install the package {_PACKAGES.get(program, program)}",
        )
    return found


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""virsh that is kept running: what is measured is libvirt's work, not a start of virsh.

One process takes commands, another one hears the events of a domain.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vmsnap_tui.lab.monitor import LabFailed

_DONE = "lab: done"
_AGAIN_S = 0.05
_LINE_BY_LINE = ("stdbuf", "-oL")
"""Into a pipe virsh would write a block at a time, long after what it tells of."""


class Virsh:
    """The interactive virsh of one connection, with a pipe for an operator."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, command: str) -> str:
        """Run a command and return what it prints; raises LabFailed when it fails."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\necho {_DONE}\n".encode())
        said: list[str] = []
        while _DONE not in said:
            said.append(await _line_of(self._process, *said))
        told = [
            each for each in said if each and not each.startswith(("virsh # ", _DONE))
        ]
        errors = [each for each in told if each.startswith("error:")]
        if errors:
            raise LabFailed("virsh failed", evidence=f"{command}: {' '.join(errors)}")
        return "\n".join(told)


class JobsEnded:
    """Hears of every job of one domain that ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def wait(self) -> None:
        """Wait for the next end. Raises LabFailed when it was no success."""
        await self.heard("event 'job-completed'")
        if await self.heard("success:") != "success: 1":
            raise LabFailed("the job failed", evidence=await _line_of(self._process))

    async def heard(self, begins: str) -> str:
        """Wait for a line that begins so, and return it."""
        while not (line := await _line_of(self._process)).startswith(begins):
            continue
        return line


@asynccontextmanager
async def virsh(uri: str) -> AsyncIterator[Virsh]:
    """Run virsh as long as the block."""
    async with _running("virsh", "-c", uri) as process:
        shell = Virsh(process)
        await shell.ask("uri")
        yield shell


@asynccontextmanager
async def jobs_ended(uri: str, domain: str, shell: Virsh) -> AsyncIterator[JobsEnded]:
    """Listen as long as the block; `shell` makes events until one is heard."""
    words = ("event", "--domain", domain, "--all", "--loop")
    async with _running("virsh", "-c", uri, *words) as process:
        ended = JobsEnded(process)
        listens = asyncio.create_task(ended.heard("event 'metadata-change'"))
        while not listens.done():
            await shell.ask(f"desc {domain} --live listened")
            await asyncio.wait({listens}, timeout=_AGAIN_S)
        await listens
        yield ended


async def _line_of(process: asyncio.subprocess.Process, *before: str) -> str:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise LabFailed("virsh ended", evidence=" ".join(before))
    return line.decode(errors="replace").strip()


@asynccontextmanager
async def _running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *_LINE_BY_LINE,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

"""QEMU's own backup, restore and freeze, as an operator would do them by hand.

The other half of each ratio: no journal, no manifest, no checksum, and nobody to
clean up when it breaks.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmsnap_tui.lab.disks import private_file, run_tool
from vmsnap_tui.lab.machines import Machine

_BITMAP = "by-hand"


class HandBackup:
    """Backups of a machine over the lab's monitor, into a directory of their own."""

    def __init__(self, machine: Machine, directory: Path) -> None:
        self._machine = machine
        self._directory = directory
        self._taken = 0
        directory.mkdir(mode=0o700)

    async def record_changes(self) -> None:
        """Record every write from now on, for increments."""
        for target in self._machine.disks:
            await self._machine.lab.execute(
                "block-dirty-bitmap-add", node=target, name=_BITMAP, persistent=True
            )

    async def take(self, *, increment: bool) -> float:
        """Back up all disks at one instant; return the seconds until it is written.

        Images are made before, as the product's are: what is measured is QEMU's part,
        from opening the targets to closing them.
        """
        files = await self._make_files()
        began_s = time.perf_counter()
        await self.open(files)
        await self.start(increment=increment)
        await self.finish()
        return time.perf_counter() - began_s

    async def _make_files(self) -> dict[str, Path]:
        self._taken += 1
        files = {}
        for target in self._machine.disks:
            path = self._directory / f"{target}-{self._taken}.qcow2"
            private_file(path)
            size = await self._bytes_of(target)
            create = ["qemu-img", "create", "-q", "-f", "qcow2"]
            await run_tool([*create, path, str(size)])
            files[target] = path
        return files

    async def prepare(self) -> None:
        """Make and open targets, so that only the instant is left to be taken."""
        await self.open(await self._make_files())

    async def open(self, files: dict[str, Path]) -> None:
        """Open the targets in QEMU."""
        for target, path in files.items():
            file = {"driver": "file", "filename": str(path)}
            await self._machine.lab.execute(
                "blockdev-add", driver="qcow2", node_name=f"hand-{target}", file=file
            )

    async def start(self, *, increment: bool) -> None:
        """Start one job a disk in one transaction."""
        chosen: dict[str, Any] = {"sync": "full"}
        if increment:
            chosen = {"sync": "incremental", "bitmap": _BITMAP}
        jobs = [
            {"device": t, "target": f"hand-{t}", "job-id": f"hand-{t}", **chosen}
            for t in self._machine.disks
        ]
        actions = [{"type": "blockdev-backup", "data": job} for job in jobs]
        await self._machine.lab.execute("transaction", actions=actions)

    async def finish(self) -> None:
        """Wait for the jobs, and close the targets, which writes them out."""
        for target in self._machine.disks:
            await self._machine.lab.wait_event(
                "JOB_STATUS_CHANGE", id=f"hand-{target}", status="null"
            )
        self._machine.lab.events.clear()
        for target in self._machine.disks:
            await self._machine.lab.execute("blockdev-del", node_name=f"hand-{target}")

    async def _bytes_of(self, target: str) -> int:
        for device in await self._machine.lab.execute("query-block"):
            inserted = device.get("inserted")
            if inserted and inserted["node-name"] == target:
                return int(inserted["image"]["virtual-size"])
        raise AssertionError(target)


async def convert(newest: tuple[Path, ...], directory: Path, to_format: str) -> float:
    """Write chains out as `qemu-img` alone does; return the seconds, to the disk.

    With the options that the product uses, which are the fastest: more requests in
    flight, written in any order.
    """
    began_s = time.perf_counter()
    for path in newest:
        out = directory / f"{path.stem}.{to_format}"
        private_file(out)
        options = ["-W", "-m", "8", "-f", "qcow2", "-O", to_format]
        await run_tool(["qemu-img", "convert", *options, path, out])
        fd = os.open(out, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    return time.perf_counter() - began_s


@dataclass(frozen=True, slots=True)
class HandFreeze:
    """What each call of a freeze by hand took."""

    freeze_s: float
    transaction_s: float
    thaw_s: float

    @property
    def sum_s(self) -> float:
        """The shortest window that these calls allow."""
        return self.freeze_s + self.transaction_s + self.thaw_s


async def freeze_and_start(machine: Machine, backup: HandBackup) -> HandFreeze:
    """Freeze, take the instant, thaw; then let the jobs end."""
    await backup.prepare()
    async with _agent(machine.agent_path) as agent:
        before_s = time.perf_counter()
        await agent.ask("guest-fsfreeze-freeze")
        frozen_s = time.perf_counter()
        await backup.start(increment=False)
        taken_s = time.perf_counter()
        await agent.ask("guest-fsfreeze-thaw")
        thawed_s = time.perf_counter()
    await backup.finish()
    return HandFreeze(frozen_s - before_s, taken_s - frozen_s, thawed_s - taken_s)


@dataclass(frozen=True, slots=True)
class _Agent:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, command: str, **arguments: Any) -> Any:
        line = json.dumps({"execute": command, "arguments": arguments})
        self.writer.write(line.encode() + b"\n")
        answer = json.loads((await self.reader.readline()).lstrip(b"\xff"))
        return answer["return"]


@contextlib.asynccontextmanager
async def _agent(path: Path) -> AsyncIterator[_Agent]:
    """One connection held for all calls, so that the calls alone are measured."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        agent = _Agent(reader, writer)
        await agent.ask("guest-sync", id=7)
        yield agent
    finally:
        writer.close()
        await writer.wait_closed()

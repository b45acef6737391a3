"""A machine, an engine and an oracle: what the engine's tests on real QEMU share."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.engine.engine import Engine, open_backend
from vmsnap_tui.engine.events import RunResult
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.plan.requests import BackupRequest, RestoreFormat, RestoreRequest


async def run(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Rig:
    """One machine and its repository; `contents` remembers disks at an instant."""

    machine: Machine
    directory: Path
    backends: Callable[[str], Backend] = open_backend
    restored: int = 0
    engines: list[Engine] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            (self.machine.connection,),
            self.directory / "repository",
            self.directory / "state",
        )

    async def engine(self) -> Engine:
        engine = Engine(self.settings, self.backends)
        self.engines.append(engine)
        await engine.open()
        return engine

    async def close(self) -> None:
        while self.engines:
            await self.engines.pop().close()

    async def backup(self, **how: object) -> RunResult:
        """One backup by an engine of its own."""
        engine = await self.engine()
        try:
            request = BackupRequest(self.machine.name, **how)  # type: ignore[arg-type]
            return await engine.start(await engine.plan(request)).result()
        finally:
            await self.close()

    async def contents(self) -> dict[str, str]:
        """The sha256 of what the guest would read now, disk by disk."""
        found = {}
        for target, disk in self.machine.disks.items():
            await self.machine.qemu_io(target, "flush")
            out = self.directory / "oracle.raw"
            active, kind = str(disk.active), disk.chain[-1][1]
            command = ["qemu-img", "convert", "-U", "-f", kind, "-O", "raw"]
            await run(*command, active, str(out))
            found[target] = sha256(out)
            out.unlink()
        return found

    async def restore(self, point: str) -> dict[str, str]:
        """The sha256 of each disk of a point, restored."""
        self.restored += 1
        directory = self.directory / f"restored-{self.restored}"
        engine = await self.engine()
        try:
            request = RestoreRequest(point, str(directory), format=RestoreFormat.RAW)
            result = await engine.start(await engine.plan(request)).result()
        finally:
            await self.close()
        assert not result.error, result
        found = {Path(d.file).stem: sha256(Path(d.file)) for d in result.disks}
        for disk in result.disks:
            Path(disk.file).unlink()
        return found

    async def leftovers(self) -> list[str]:
        """What an operation left in QEMU and in the repository; empty is right."""
        lab = self.machine.lab
        found = [job["id"] for job in await lab.execute("query-jobs")]
        nodes = await lab.execute("query-named-block-nodes", flat=True)
        found += [n["node-name"] for n in nodes if "vmsnap" in n["node-name"]]
        bitmaps = [b["name"] for n in nodes for b in n.get("dirty-bitmaps", ())]
        found += [name for name in bitmaps if name.endswith("-scratch")]
        partials = self.directory / "repository" / "tmp"
        if partials.is_dir():
            found += [entry.name for entry in partials.iterdir()]
        return found

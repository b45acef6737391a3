"""A machine, an engine and an oracle: what the engine's tests on real QEMU share."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.engine.arms import open_backend
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import RunResult
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.disks import LabDisk
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


class Subject(Protocol):
    """A machine that can be judged, whoever runs its QEMU."""

    @property
    def name(self) -> str: ...
    @property
    def connection(self) -> str: ...
    @property
    def disks(self) -> Mapping[str, LabDisk]: ...
    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    async def qemu_io(self, target: str, command: str) -> str: ...


S_co = TypeVar("S_co", bound=Subject, covariant=True)


@dataclass
class Oracle(Generic[S_co]):
    """One machine and its repository; `contents` remembers disks at an instant."""

    machine: S_co
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
        for target, (active, kind) in (await self.active_images()).items():
            await self.machine.qemu_io(target, "flush")
            out = self.directory / "oracle.raw"
            command = ["qemu-img", "convert", "-U", "-f", kind, "-O", "raw"]
            await run(*command, str(active), str(out))
            found[target] = sha256(out)
            out.unlink()
        return found

    async def active_images(self) -> dict[str, tuple[Path, str]]:
        """The image that takes the guest's writes and its format, disk by disk."""
        disks = self.machine.disks
        return {target: disk.chain[-1] for target, disk in disks.items()}

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
        partials = self.directory / "repository" / "tmp"
        return [e.name for e in partials.iterdir()] if partials.is_dir() else []


class Rig(Oracle[Machine]):
    """With a machine of the lab, which a monitor of the lab's own tells about."""

    async def leftovers(self) -> list[str]:
        lab = self.machine.lab
        found = [job["id"] for job in await lab.execute("query-jobs")]
        nodes = await lab.execute("query-named-block-nodes", flat=True)
        found += [n["node-name"] for n in nodes if "vmsnap" in n["node-name"]]
        bitmaps = [b["name"] for n in nodes for b in n.get("dirty-bitmaps", ())]
        found += [name for name in bitmaps if name.endswith("-scratch")]
        return found + await super().leftovers()

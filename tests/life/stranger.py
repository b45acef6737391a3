"""A machine, a shell and an oracle: what a stranger has who trusts nothing.

The command line runs as processes of its own, the machine is real, and what a disk
holds is asked of qemu-img and never of the product.
"""

import asyncio
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from tests.cli.conftest import Ended, Shell, ended
from tests.engine.rig import Oracle, Rig, S_co, run, sha256
from vmsnap_tui.lab.machines import Machine

Contents = dict[str, str]
"""The sha256 of each disk."""

GOOD = {0, 3}
"""Done, or done with warnings to read."""


def escapes(text: str) -> list[str]:
    """Control characters in human output, but for what ends its lines."""
    return [c for c in text if (ord(c) < 32 and c not in "\n\r\t") or ord(c) == 127]


@dataclass
class Visitor(Generic[S_co]):
    """`points` remembers what each point has to hold: its disks at its instant."""

    machine: S_co
    directory: Path
    points: dict[str, Contents] = field(default_factory=dict)
    diary: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shell = Shell(self.directory)
        self.rig = self._oracle()

    def _oracle(self) -> Oracle[S_co]:
        return Oracle(self.machine, self.directory)

    def note(self, text: str) -> None:
        self.diary.append(text)

    @property
    def told(self) -> str:
        """The diary, for a failure's message."""
        return "\n".join(f"{n}. {line}" for n, line in enumerate(self.diary))

    async def contents(self) -> Contents:
        return await self.rig.contents()

    async def command(self, *words: str) -> Ended:
        return await self.shell.run("--connect", self.machine.connection, *words)

    async def begin(self, *words: str) -> Process:
        return await self.shell.start("--connect", self.machine.connection, *words)

    async def backup(self, *words: str) -> dict[str, Any]:
        """A backup that must go well; its point has to hold what is there now."""
        now = await self.contents()
        done = await self.command("backup", self.machine.name, "--json", *words)
        assert done.code in GOOD, (done, self.told)
        document: dict[str, Any] = done.document
        levels = {d["target"]: d["level"] for d in document["disks"]}
        self.note(f"backup {words} → {document['point']} {levels}")
        self.points[document["point"]] = {target: now[target] for target in levels}
        return document

    async def recover(self) -> list[dict[str, Any]]:
        done = await self.command("recover", "--yes", "--json")
        assert done.code == 0, (done, self.told)
        found: list[dict[str, Any]] = done.document
        self.note(f"recover → {[(f['outcome'], f['title']) for f in found]}")
        return found

    async def stored(self) -> dict[str, dict[str, Any]]:
        done = await self.shell.run("points", "--json")
        assert done.code in (0, 10), (done, self.told)
        return {p["point"]: p for p in done.document} if done.code == 0 else {}

    async def take_note_of_new(self, then: Contents) -> None:
        """Points that a broken run left whole have to hold what was there `then`."""
        for name, point in (await self.stored()).items():
            if name not in self.points:
                targets = [disk["target"] for disk in point["disks"]]
                self.points[name] = {target: then[target] for target in targets}
                self.note(f"found {name}")

    async def restored(self, point: str) -> Contents:
        """The disks of a point, by the restore verb; nothing of them stays."""
        out = self.directory / f"restored-{point}"
        done = await self.shell.run(
            "restore", point, "--to", str(out), "--format", "raw", "--json", "--yes"
        )
        assert done.code in GOOD, (point, done, self.told)
        disks = done.document["disks"]
        found = {disk["target"]: sha256(Path(disk["file"])) for disk in disks}
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
        return found

    async def rescued(self, point: str) -> Contents:
        """The disks of a point by qemu-img alone, as in an emergency."""
        (home,) = self.shell.repository.glob(f"vms/*/points/{point}")
        found = {}
        for path in sorted(home.glob("disk-*.qcow2")):
            out = self.directory / "rescued.raw"
            await run("qemu-img", "convert", "-O", "raw", str(path), str(out))
            found[path.stem.removeprefix("disk-")] = sha256(out)
            out.unlink()
        return found

    async def verify_all(self) -> None:
        """Nothing is left, and every point that is listed is what it has to be."""
        assert await self.rig.leftovers() == [], self.told
        listed = await self.stored()
        assert set(listed) == set(self.points), self.told
        for point, contents in self.points.items():
            found = await self.restored(point)
            assert found == contents, f"{point}: {found} not {contents}\n{self.told}"
        for point in list(self.points)[-2:]:
            assert await self.rescued(point) == self.points[point], self.told


class Stranger(Visitor[Machine]):
    """Who comes to a machine of the lab by its QMP socket."""

    def _oracle(self) -> Rig:
        return Rig(self.machine, self.directory)


async def strike(process: Process, lines: int, delay_s: float, blow: Any) -> Ended:
    """Call `blow` a little after so many lines of stderr were told; then wait.

    It falls when the process ends, if it ends first.
    """
    assert process.stderr is not None
    told = b""
    for _ in range(lines):
        line = await process.stderr.readline()
        if not line:
            break
        told += line
    struck = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(delay_s, struck.set_result, None)
    rest = asyncio.ensure_future(ended(process))
    await asyncio.wait({struck, rest}, return_when=asyncio.FIRST_COMPLETED)
    await blow()
    over = await rest
    return Ended(over.code, over.out, told.decode() + over.err)

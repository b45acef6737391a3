"""Another backup tool on the same domain, made of virsh: it keeps to its own records.

It is right as long as libvirt is: each increment is put upon its own older copy and
held against what the guest reads.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.engine.rig import run, sha256
from tests.life.domains import DomainVisitor

Mode = Literal["push", "pull"]


@dataclass
class Theirs:
    """What another tool has: its copies at the instant of its checkpoint."""

    checkpoint: str
    copies: dict[str, Path]


class OtherBackup:
    """Checkpoints are called as its maker calls them: `virtnbdbackup.0`."""

    def __init__(self, visitor: DomainVisitor, style: str = "virtnbdbackup.") -> None:
        self.visitor = visitor
        self.domain = visitor.machine
        self.style = style
        self.directory = visitor.directory / "theirs"
        self.made = 0
        # QEMU writes here, whoever it runs as
        self.directory.mkdir(mode=0o777, exist_ok=True)
        self.directory.chmod(0o777)

    async def full(self, mode: Mode, targets: list[str]) -> Theirs:
        """A full backup with a checkpoint, through `mode`."""
        taken = await self._backup(mode, targets, since=None)
        self.visitor.note(f"they took a full ({mode}) with {taken.checkpoint}")
        return taken

    async def incremental(self, mode: Mode, since: Theirs) -> Theirs:
        """An increment of all that `since` holds, which must be right."""
        taken = await self._backup(mode, list(since.copies), since)
        now = await self.visitor.contents()
        for target, copy in taken.copies.items():
            assert sha256(copy) == now[target], (
                f"their increment ({mode}) of {target} since {since.checkpoint} is"
                f" wrong\n{self.visitor.told}"
            )
        self.visitor.note(
            f"they took an increment ({mode}) since {since.checkpoint} with"
            f" {taken.checkpoint}: right"
        )
        return taken

    async def checkpoint(self, targets: list[str]) -> Theirs:
        """A checkpoint alone, with copies of the disks as they are."""
        name, copies = self._name(), {}
        specs = [word for t in targets for word in ("--diskspec", t)]
        await self._virsh("checkpoint-create-as", self.domain.name, name, *specs)
        for target, (path, kind) in (await self.visitor.rig.active_images()).items():
            if target in targets:
                await self.domain.qemu_io(target, "flush")
                copies[target] = self.directory / f"{self.made}-{target}.raw"
                convert = ["qemu-img", "convert", "-U", "-f", kind, "-O", "raw"]
                await run(*convert, str(path), str(copies[target]))
        self.visitor.note(f"they made checkpoint {name}")
        return Theirs(name, copies)

    async def begin_pull(
        self, targets: list[str], since: Theirs | None = None, name: str = ""
    ) -> Path:
        """Begin a backup that lasts until `end_pull`; returns its NBD socket."""
        socket = self.directory / "nbd.sock"
        disks = "".join(
            f"<disk name='{t}' backup='yes' type='file'><driver type='qcow2'/>"
            f"<scratch file='{self._file(f'{t}.scratch')}'/></disk>"
            for t in targets
        )
        server = f"<server transport='unix' socket='{socket}'/>"
        await self._begin("pull", server, disks, targets, since, name)
        return socket

    async def end_pull(self) -> None:
        await self._virsh("domjobabort", self.domain.name)
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end of whatever job the domain has."""
        while "None" not in await self._virsh("domjobinfo", self.domain.name):
            pass

    async def _backup(
        self, mode: Mode, targets: list[str], since: Theirs | None
    ) -> Theirs:
        name = self._name()
        if mode == "push":
            files = await self._push(targets, since, name)
        else:
            files = await self._pull(targets, since, name)
        return Theirs(name, files)

    async def _push(
        self, targets: list[str], since: Theirs | None, name: str
    ) -> dict[str, Path]:
        pushed = {t: self._file(f"{t}.qcow2") for t in targets}
        disks = "".join(
            f"<disk name='{t}' backup='yes' type='file'><driver type='qcow2'/>"
            f"<target file='{path}'/></disk>"
            for t, path in pushed.items()
        )
        await self._begin("push", "", disks, targets, since, name)
        await self.ended()
        copies = {}
        for target, path in pushed.items():
            copies[target] = self.directory / f"{self.made}-{target}.raw"
            if since:
                # libvirt names the live image as what is below
                base = ["-b", str(since.copies[target]), "-F", "raw"]
                await run("qemu-img", "rebase", "-u", "-f", "qcow2", *base, str(path))
            convert = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw"]
            await run(*convert, str(path), str(copies[target]))
            path.unlink()
        return copies

    async def _pull(
        self, targets: list[str], since: Theirs | None, name: str
    ) -> dict[str, Path]:
        socket, copies = await self.begin_pull(targets, since, name), {}
        for target in targets:
            copies[target] = self.directory / f"{self.made}-{target}.raw"
            below = since.copies[target] if since else None
            await self.read(socket, target, copies[target], below)
        await self.end_pull()
        return copies

    async def read(
        self, socket: Path, target: str, into: Path, below: Path | None
    ) -> None:
        """All of an export, or of an older copy and what the bitmap says changed."""
        uri = f"nbd+unix:///{target}?socket={socket}"
        await run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, str(into))
        if below is None:
            return
        bitmap = f"qemu:dirty-bitmap:backup-{target}"
        server = f"server.type=unix,server.path={socket},export={target}"
        options = f"driver=nbd,{server},x-dirty-bitmap={bitmap}"
        mapped = await run("qemu-img", "map", "--output=json", "--image-opts", options)
        merged = into.with_suffix(".merged")
        shutil.copyfile(below, merged)
        with into.open("rb") as source, merged.open("r+b") as out:
            out.truncate(into.stat().st_size)
            for extent in json.loads(mapped):
                # this map turns the bitmap's bits around
                if not extent["data"]:
                    source.seek(extent["start"])
                    out.seek(extent["start"])
                    out.write(source.read(extent["length"]))
        merged.rename(into)

    async def _begin(
        self,
        mode: Mode,
        server: str,
        disks: str,
        targets: list[str],
        since: Theirs | None,
        name: str,
    ) -> None:
        images = await self.visitor.rig.active_images()
        others = [target for target in images if target not in targets]
        disks += "".join(f"<disk name='{t}' backup='no'/>" for t in others)
        old = f"<incremental>{since.checkpoint}</incremental>" if since else ""
        words = f"{old}{server}<disks>{disks}</disks>"
        backup = self._file("backup.xml")
        backup.write_text(f"<domainbackup mode='{mode}'>{words}</domainbackup>")
        begin = ["backup-begin", self.domain.name, str(backup)]
        if name:
            tracked = "".join(
                f"<disk name='{t}' checkpoint='bitmap'/>" for t in targets
            )
            tracked += "".join(f"<disk name='{t}' checkpoint='no'/>" for t in others)
            checkpoint = self._file("checkpoint.xml")
            checkpoint.write_text(
                f"<domaincheckpoint><name>{name}</name><disks>{tracked}</disks>"
                "</domaincheckpoint>"
            )
            begin += ["--checkpointxml", str(checkpoint)]
        await self._virsh(*begin)

    def _name(self) -> str:
        self.made += 1
        return f"{self.style}{self.made}"

    def _file(self, name: str) -> Path:
        path = self.directory / name
        path.unlink(missing_ok=True)
        return path

    async def _virsh(self, *words: str) -> str:
        return await self.domain.libvirtd.virsh(*words)

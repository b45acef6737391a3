"""Somebody else who works on the same domain by virsh, and asks nobody."""

import contextlib
import json
import random
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.engine.rig import run
from tests.life.domains import OURS, DomainVisitor
from tests.life.other_backup import Mode, OtherBackup, Theirs
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.units import KiB, MiB


class VirshForeigner:
    """Snapshots, merges, copies, resizes, checkpoints and backups of their own.

    `records` are their checkpoints, which nobody else may touch; `broken` those that a
    crash of QEMU (or they themselves) spoilt.
    """

    def __init__(self, visitor: DomainVisitor, chance: random.Random) -> None:
        self.visitor = visitor
        self.domain = visitor.machine
        self.random = chance
        self.other = OtherBackup(visitor)
        self.records: list[Theirs] = []
        self.broken: set[str] = set()
        self.targets = list(self.domain.disks)
        self.made = 0

    async def act(self) -> None:
        act = self.random.choice(
            [self.snapshot, self.delete_snapshot, self.merge, self.merge_middle]
            + [self.flatten, self.copy, self.grow, self.reset]
            + [self.back_up, self.back_up, self.increment, self.increment]
            + [self.make_checkpoint, self.drop_record, self.drop_metadata]
            + [self.drop_ours]
        )
        try:
            await act()
        except LabFailed as error:
            self.visitor.note(f"{act.__name__} of somebody was refused: {error}")

    async def act_in_the_middle(self) -> None:
        """What leaves the content of the disks as it is."""
        act = self.random.choice(
            [self.snapshot, self.delete_snapshot, self.merge, self.flatten, self.copy]
            + [self.make_checkpoint, self.drop_ours, self.drop_metadata]
        )
        try:
            await act()
        except LabFailed as error:
            self.visitor.note(f"{act.__name__} in the middle was refused: {error}")

    def spoilt(self) -> None:
        """QEMU was killed: what it recorded is lost."""
        self.broken |= {record.checkpoint for record in self.records}

    def _spoil(self, target: str) -> None:
        """They are not surprised if an increment of this disk is refused."""
        self.broken |= {r.checkpoint for r in self.records if target in r.copies}

    async def standing(self) -> None:
        """Every record of theirs is still there."""
        have = await self.visitor.rig.checkpoints()
        lost = {record.checkpoint for record in self.records} - have
        assert not lost, f"{lost} of somebody else went\n{self.visitor.told}"

    async def settle(self) -> None:
        """Every record that should be good gives a right increment."""
        for record in list(self.records):
            if record.checkpoint not in self.broken:
                await self._increment(record, "push")

    # --- backups of theirs ------------------------------------------------------------

    def _mode(self) -> Mode:
        return self.random.choice(["push", "pull"])

    def _some(self) -> list[str]:
        if self.random.random() < 0.5:
            return list(self.targets)
        return [self.random.choice(self.targets)]

    async def back_up(self) -> None:
        self.records.append(await self.other.full(self._mode(), self._some()))

    async def make_checkpoint(self) -> None:
        self.records.append(await self.other.checkpoint(self._some()))

    async def increment(self) -> None:
        if self.records:
            await self._increment(self.random.choice(self.records), self._mode())

    async def _increment(self, record: Theirs, mode: Mode) -> None:
        try:
            taken = await self.other.incremental(mode, record)
        except LabFailed as error:
            spoilt = record.checkpoint in self.broken
            assert spoilt, f"{record.checkpoint}: {error}\n{self.visitor.told}"
            raise
        self.records.append(taken)

    async def drop_record(self) -> None:
        """One of theirs that they need no more."""
        if not self.records:
            return
        record = self.random.choice(self.records)
        await self._drop(record.checkpoint)
        self.records.remove(record)

    async def _drop(self, name: str) -> None:
        try:
            await self._virsh("checkpoint-delete", self.domain.name, name)
        except LabFailed:
            # a bitmap that a crash took with it cannot be deleted any more
            await self._virsh("checkpoint-delete", self.domain.name, name, "--metadata")
        self.visitor.note(f"somebody deleted checkpoint {name}")

    async def drop_ours(self) -> None:
        """One that is not theirs at all."""
        for name in sorted(await self.visitor.rig.checkpoints()):
            if name.startswith(OURS):
                await self._drop(name)
                self.visitor.rig.forgiven.add(name)
                return

    async def drop_metadata(self) -> None:
        """libvirt forgets a record of ours whose bitmaps stand."""
        for name in sorted(await self.visitor.rig.checkpoints()):
            if name.startswith(OURS):
                words = ("checkpoint-delete", self.domain.name, name, "--metadata")
                await self._virsh(*words)
                self.visitor.rig.forgiven.add(name)
                self.visitor.note(f"somebody made libvirt forget {name}")
                return

    # --- the disks --------------------------------------------------------------------

    async def snapshot(self) -> None:
        self.made += 1
        name, specs, some = f"s{self.made}", [], self._some()
        for target in self.targets:
            file = self.domain.directory / f"{target}.{name}"
            how = f"file={file}" if target in some else "snapshot=no"
            specs += ["--diskspec", f"{target},{how}"]
        create = ["snapshot-create-as", self.domain.name, name]
        await self._virsh(*create, "--disk-only", "--atomic", *specs)
        self.visitor.note(f"snapshot {name} of {some}")

    async def delete_snapshot(self) -> None:
        said = await self._virsh("snapshot-list", self.domain.name, "--name")
        if not said.split():
            return
        name = self.random.choice(said.split())
        try:
            await self._virsh("snapshot-delete", self.domain.name, name)
        except LabFailed as error:
            # its overlays were merged away behind its back
            await self._virsh("snapshot-delete", self.domain.name, name, "--metadata")
            self.visitor.note(f"snapshot {name} forgotten: {error}")
        else:
            self.visitor.note(f"snapshot {name} deleted")

    async def merge(self) -> None:
        """The active image into one below it, pivoted."""
        target = self.random.choice(self.targets)
        below = (await self._chain(target))[1:]
        if below:
            base = self.random.choice(below)
            words = ["--active", "--pivot", "--wait", "--base", base]
            await self._virsh("blockcommit", self.domain.name, target, *words)
            self.visitor.note(f"{target} merged into {base}")

    async def merge_middle(self) -> None:
        target = self.random.choice(self.targets)
        chain = await self._chain(target)
        if len(chain) > 2:
            words = ["--top", chain[1], "--base", chain[2], "--wait"]
            await self._virsh("blockcommit", self.domain.name, target, *words)
            self.visitor.note(f"{chain[1]} of {target} merged into the one below")

    async def flatten(self) -> None:
        """All of the chain into the active image, or a part of it."""
        target = self.random.choice(self.targets)
        below = (await self._chain(target))[1:]
        if not below:
            return
        base = self.random.choice([None, *below[1:]])
        words = ["--base", base] if base else []
        await self._virsh("blockpull", self.domain.name, target, "--wait", *words)
        await self.domain.qemu_io(target, "flush")
        self.visitor.note(f"{target} flattened down to {base}")

    async def copy(self) -> None:
        """To another file, and on with that one."""
        self.made += 1
        target = self.random.choice(self.targets)
        deep = len(await self._chain(target)) > 1
        shallow = ["--shallow"] if deep and self.random.random() < 0.5 else []
        copy = str(self.domain.directory / f"{target}.c{self.made}")
        words = ["--dest", copy, "--format", "qcow2", "--transient-job", "--pivot"]
        job = ["blockcopy", self.domain.name, target, *words, "--wait", *shallow]
        await self._virsh(*job)
        self.visitor.note(f"{target} copied to {copy} {shallow}, and on with that")

    async def grow(self) -> None:
        target = self.random.choice(self.targets)
        said = await self._virsh("domblkinfo", self.domain.name, target)
        size = int(said.split()[1]) + self.random.choice([64 * KiB, MiB])
        await self._virsh("blockresize", self.domain.name, target, f"{size}B")
        self.visitor.note(f"{target} grew to {size}")

    async def reset(self) -> None:
        """The lab's domains end where others would boot again."""
        with contextlib.suppress(LabFailed):
            # it may be gone before libvirt has its answer
            await self._virsh("reset", self.domain.name)
        while await self.domain.state() != "shut off":
            pass
        await self.domain.start()
        self.visitor.note("the domain was reset, and started")

    # --- while it is off --------------------------------------------------------------

    async def act_offline(self) -> None:
        act = self.random.choice(
            [self.write_offline, self.commit_offline, self.check_offline]
            + [self.attach, self.detach, self.merge_middle_offline]
        )
        try:
            await act()
        except LabFailed as error:
            self.visitor.note(f"{act.__name__} of somebody was refused: {error}")

    async def attach(self) -> None:
        """A third disk comes."""
        if "vdc" in self.targets:
            return
        self.made += 1
        path = self.domain.directory / f"vdc.{self.made}"
        await run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(4 * MiB))
        words = ["--driver", "qemu", "--subdriver", "qcow2", "--config"]
        await self._virsh("attach-disk", self.domain.name, str(path), "vdc", *words)
        self.targets.append("vdc")
        self.visitor.note("vdc was attached")

    async def detach(self) -> None:
        if "vdc" in self.targets:
            await self._virsh("detach-disk", self.domain.name, "vdc", "--config")
            self.targets.remove("vdc")
            self._spoil("vdc")
            self.visitor.note("vdc was detached")

    async def write_offline(self) -> None:
        target, path = await self._image()
        at = self.random.randrange(0, 3 * MiB, 512)
        command = f"write -P {self.random.randint(1, 255)} {at} 100k"
        await run("qemu-io", "-f", "qcow2", "-c", command, str(path))
        self.visitor.note(f"{target} was written to by qemu-io: {command}")

    async def check_offline(self) -> None:
        _, path = await self._image()
        await run("qemu-img", "check", "-q", "-f", "qcow2", str(path))

    async def commit_offline(self) -> None:
        """Into the image below; the overlay stays, empty, or leaves the definition."""
        target, path = await self._image()
        below = await self._below_offline(path)
        if not below:
            return
        await run("qemu-img", "commit", "-q", "-f", "qcow2", str(path))
        self.visitor.note(f"{target}: {path.name} committed by qemu-img")
        if self.random.random() < 0.5:
            base = below[0]
            words = ["dumpxml", self.domain.name, "--inactive"]
            xml = (await self._virsh(*words)).replace(f"'{path}'", f"'{base}'")
            new = self.visitor.directory / "new.xml"
            new.write_text(xml)
            await self._virsh("define", str(new))
            await self.visitor.look_anew_at_the_chain()
            self._spoil(target)
            self.visitor.note(f"… and {target} is {base} from now on")

    async def merge_middle_offline(self) -> None:
        """Into one that may have no bitmap: libvirt takes the chain for whole, and what
        it vouches for then is wrong; they know, and begin anew."""
        target, path = await self._image()
        below = await self._below_offline(path)
        if len(below) < 2:
            return
        for record in self.records:
            words = ("checkpoint-delete", self.domain.name, record.checkpoint)
            await self._virsh(*words, "--metadata")
        self.records.clear()
        await run("qemu-img", "commit", "-q", "-f", "qcow2", below[0])
        rebase = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2"]
        await run(*rebase, "-b", below[1], str(path))
        await self.visitor.look_anew_at_the_chain()
        self.visitor.note(f"{target}: {below[0]} merged by qemu-img, and left out")

    async def _below_offline(self, path: Path) -> list[str]:
        """The images below, as the headers name them."""
        info = ["qemu-img", "info", "-f", "qcow2", "--output=json", "--backing-chain"]
        chain = json.loads(await run(*info, str(path)))
        return [image["filename"] for image in chain[1:]]

    async def _image(self) -> tuple[str, Path]:
        target = self.random.choice(self.targets)
        path, _ = (await self.visitor.rig.active_images())[target]
        return target, path

    async def _chain(self, target: str) -> list[str]:
        """The images of a disk as libvirt lists them, the active one first."""
        for disk in (await self.domain.xml()).iterfind("devices/disk"):
            if disk.find(f"target[@dev='{target}']") is not None:
                return _below(disk)
        raise AssertionError(f"no disk {target}")

    async def _virsh(self, *words: str) -> str:
        return await self.domain.libvirtd.virsh(*words)


def _below(element: ET.Element) -> list[str]:
    source, backing = element.find("source"), element.find("backingStore")
    found = [source.attrib["file"]] if source is not None else []
    return found + (_below(backing) if backing is not None else [])

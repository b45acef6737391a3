"""A libvirt domain as a stranger judges it: by virsh, qemu-img and the files alone."""

import os
import stat
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.engine.rig import Oracle
from tests.life.stranger import Visitor
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.domains import Domain

OURS = "vmsnap-"
MARK = "urn:vmsnap-tui:"
MARKER = "vmsnap-tui.json"
"""What a directory has that is a repository."""


@dataclass
class DomainOracle(Oracle[Domain]):
    """`forgiven` are records of ours that somebody else parted from their point."""

    forgiven: set[str] = field(default_factory=set)
    repository: Path | None = None
    """Somewhere else than where all is."""

    @property
    def settings(self) -> Settings:
        there = super().settings
        return replace(there, repository=self.repository or there.repository)

    async def virsh(self, *words: str) -> str:
        return await self.machine.libvirtd.virsh(*words)

    async def active_images(self) -> dict[str, tuple[Path, str]]:
        found = {}
        for disk in (await self.machine.xml()).iterfind("devices/disk"):
            target, source = disk.find("target"), disk.find("source")
            driver = disk.find("driver")
            assert target is not None and source is not None and driver is not None
            found[target.attrib["dev"]] = (
                Path(source.attrib["file"]),
                driver.get("type"),
            )
        return {target: (path, kind or "raw") for target, (path, kind) in found.items()}

    async def checkpoints(self) -> set[str]:
        said = await self.virsh("checkpoint-list", self.machine.name, "--name")
        return set(said.split())

    async def bitmaps(self) -> set[str]:
        """Those of the active images; this question is safe at any time."""
        found = await self.machine.execute("query-block")
        images = [block["inserted"] for block in found if "inserted" in block]
        return {b["name"] for image in images for b in image.get("dirty-bitmaps", ())}

    async def leftovers(self) -> list[str]:
        """Jobs, marks, partial points, records without a point, rights of others."""
        xml = await self.machine.xml()
        found, runs = await super().leftovers(), "id" in xml.attrib
        if runs:
            said = await self.virsh("domjobinfo", self.machine.name)
            found += [said] if "None" not in said else []
        if xml.find("devices/disk/mirror") is not None:
            found.append("a mirror")
        metadata = xml.find("metadata")
        if metadata is not None and MARK in ET.tostring(metadata, encoding="unicode"):
            found.append("a mark in the domain's metadata")
        records = await self.checkpoints() | (await self.bitmaps() if runs else set())
        repositories = [path.parent for path in self.directory.rglob(MARKER)]
        points = {p.name for r in repositories for p in r.glob("vms/*/points/*")}
        for record in sorted(records - self.forgiven):
            if record.startswith(OURS) and record[len(OURS) + 9 :] not in points:
                found.append(f"{record} has no point")
        return found + [x for r in repositories for x in rights_of_others(r)]


def rights_of_others(repository: Path) -> Iterator[str]:
    """Files of a repository that anybody but the operator can or could reach."""
    for entry in (repository, *repository.rglob("*")):
        found = entry.lstat()
        mode = stat.S_IMODE(found.st_mode)
        wanted = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
        access = [name for name in os.listxattr(entry) if "posix_acl" in name]
        if mode != wanted or found.st_uid != os.geteuid() or access:
            yield f"{entry} is {mode:o} of {found.st_uid} {access}"


class DomainVisitor(Visitor[Domain]):
    """Who comes to a domain by its libvirtd."""

    rig: DomainOracle

    def _oracle(self) -> DomainOracle:
        return DomainOracle(self.machine, self.directory)

    async def virsh(self, *words: str) -> str:
        return await self.machine.libvirtd.virsh(*words)

    async def look_anew_at_the_chain(self) -> None:
        """Have libvirt read it from the images' headers, as after `virsh edit`."""
        words = ("dumpxml", self.machine.name, "--inactive")
        domain = ET.fromstring(await self.virsh(*words))
        for disk in domain.iterfind("devices/disk"):
            for below in disk.findall("backingStore"):
                disk.remove(below)
        xml = self.directory / "new.xml"
        xml.write_text(ET.tostring(domain, encoding="unicode"))
        await self.virsh("define", str(xml))

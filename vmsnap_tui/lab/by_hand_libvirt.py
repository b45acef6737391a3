"""libvirt's own backup and freeze, as an operator would do them by hand with virsh.

The other half of each ratio over libvirt: the same kind of XML into files of the same
kind, no journal, no manifest, no checksum, and nobody to clean up when it breaks.
"""

import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vmsnap_tui.lab.by_hand import HandFreeze
from vmsnap_tui.lab.disks import private_file, run_tool
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.virsh import JobsEnded, Virsh, jobs_ended, virsh


class HandDomainBackup:
    """Backups of a domain by `virsh backup-begin`, into a directory of their own."""

    def __init__(
        self, domain: Domain, directory: Path, shell: Virsh, ended: JobsEnded
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._shell = shell
        self._ended = ended
        self._taken = 0
        directory.mkdir(mode=0o700)

    async def record_changes(self) -> None:
        """Record every write from now on, for increments."""
        await self._shell.ask(f"checkpoint-create {self._domain.name} {self._point()}")

    async def take(self, *, increment: bool) -> float:
        """Back up all disks at one instant; return the seconds until it is written.

        Images are made before, as the product's are, and the checkpoint before the
        last is removed afterwards: what is measured is libvirt's part.
        """
        begin = await self.prepare(increment=increment)
        began_s = time.perf_counter()
        await self._shell.ask(begin)
        await self._closed()
        elapsed_s = time.perf_counter() - began_s
        await self.forget()
        return elapsed_s

    async def freeze_and_start(self) -> HandFreeze:
        """Freeze, take the instant, thaw; then let the job end."""
        name = self._domain.name
        begin = await self.prepare(increment=False)
        before_s = time.perf_counter()
        await self._shell.ask(f"domfsfreeze {name}")
        frozen_s = time.perf_counter()
        await self._shell.ask(begin)
        taken_s = time.perf_counter()
        await self._shell.ask(f"domfsthaw {name}")
        thawed_s = time.perf_counter()
        await self._closed()
        await self.forget()
        return HandFreeze(frozen_s - before_s, taken_s - frozen_s, thawed_s - taken_s)

    async def prepare(self, *, increment: bool) -> str:
        """Make images and XML; return the command that only has to be given."""
        root = ET.Element("domainbackup", mode="push")
        if increment:
            ET.SubElement(root, "incremental").text = f"hand-{self._taken}"
        self._taken += 1
        disks = ET.SubElement(root, "disks")
        sizes = await self._sizes()
        for target, size_bytes in sizes.items():
            path = self._directory / f"{target}-{self._taken}.qcow2"
            private_file(path)
            create = ["qemu-img", "create", "-q", "-f", "qcow2"]
            await run_tool([*create, path, str(size_bytes)])
            disk = ET.SubElement(disks, "disk", name=target, backup="yes", type="file")
            ET.SubElement(disk, "driver", type="qcow2")
            ET.SubElement(disk, "target", file=str(path))
        backup = self._written(root, "backup.xml")
        name = self._domain.name
        return f"backup-begin {name} {backup} {self._point()} --reuse-external"

    async def _closed(self) -> None:
        """libvirt tells of the end some milliseconds before it closes the files."""
        await self._ended.wait()
        for target in self._domain.disks:
            info = f"blockjob {self._domain.name} {target} --info"
            while "No current block job" not in await self._shell.ask(info):
                continue

    async def forget(self) -> None:
        """Remove the checkpoint before the last, whose bitmaps would cost time."""
        listed = await self._shell.ask(f"checkpoint-list {self._domain.name} --name")
        old = f"hand-{self._taken - 1}"
        if old in listed.split():
            await self._shell.ask(f"checkpoint-delete {self._domain.name} {old}")

    def _point(self) -> Path:
        """The XML of the checkpoint that is made next."""
        root = ET.Element("domaincheckpoint")
        ET.SubElement(root, "name").text = f"hand-{self._taken}"
        return self._written(root, "checkpoint.xml")

    def _written(self, root: ET.Element, name: str) -> Path:
        path = self._directory / name
        path.write_text(ET.tostring(root, encoding="unicode"))
        return path

    async def _sizes(self) -> dict[str, int]:
        """By target, what the guest sees."""
        sizes = {}
        for target in self._domain.disks:
            info = await self._shell.ask(f"domblkinfo {self._domain.name} {target}")
            capacity = next(
                line.split() for line in info.splitlines() if "Capacity" in line
            )
            sizes[target] = int(capacity[1])
        return sizes


@asynccontextmanager
async def hand_of(domain: Domain, directory: Path) -> AsyncIterator[HandDomainBackup]:
    """An operator's terminal beside a domain that runs, as long as the block."""
    uri = domain.connection
    async with virsh(uri) as shell, jobs_ended(uri, domain.name, shell) as ended:
        yield HandDomainBackup(domain, directory, shell, ended)

"""Domains of a private libvirtd, with the lab's disks and, where wanted, its guest."""

import asyncio
import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from vmsnap_tui.lab.accelerator import accelerator
from vmsnap_tui.lab.command_line import AGENT_CHANNEL, MachineSpec
from vmsnap_tui.lab.disks import ImageFormat, LabDisk, machine_disk, private_file
from vmsnap_tui.lab.domain_xml import MONITOR, domain_xml
from vmsnap_tui.lab.guest import GuestFiles
from vmsnap_tui.lab.libvirtd import Libvirtd
from vmsnap_tui.lab.monitor import LabMonitor
from vmsnap_tui.lab.qemu_io import qemu_io_line, require_done

_POLL_S = 0.02
_ALIVE = frozenset({"running", "paused", "in shutdown", "pmsuspended"})


class Domain:
    """One persistent domain, its disks, and the lab's own way into its QEMU.

    A domain without a guest is started paused; its disks are real devices all the
    same. What the lab knows of a chain is how it was made: once something was merged
    or added `switched` tells it, or `virsh domblklist` is asked.
    """

    def __init__(
        self,
        spec: MachineSpec,
        directory: Path,
        libvirtd: Libvirtd,
        guest: GuestFiles | None = None,
        *,
        agent: bool = True,
    ) -> None:
        self.spec = spec
        self.directory = directory
        self.libvirtd = libvirtd
        self.disks: dict[str, LabDisk] = {}
        self._guest = guest
        self._agent = agent

    @property
    def name(self) -> str:
        """The domain's name."""
        return self.spec.name

    @property
    def uuid(self) -> str:
        """The domain's UUID."""
        return self.spec.uuid

    @property
    def connection(self) -> str:
        """The connection URI of its libvirtd."""
        return self.libvirtd.uri

    @property
    def monitor_path(self) -> Path:
        """The lab's own QMP socket, which libvirt does not know; it serves one."""
        return self.directory / "qemu" / MONITOR

    def active(self, target: str) -> Path:
        """Return the active image of a disk, as far as the lab knows."""
        return self.disks[target].active

    def chain(self, target: str) -> tuple[Path, ...]:
        """Return the images of a disk from the base to the active one."""
        return self.disks[target].images

    def switched(self, target: str, *chain: tuple[Path, ImageFormat]) -> None:
        """Take note of a disk's new chain, base first."""
        self.disks[target] = LabDisk(target, chain)

    async def define(self) -> None:
        """Make the disks (once) and define the domain, or define it anew."""
        self._prepare()
        for disk in self.spec.disks:
            if disk.target not in self.disks:
                made = await machine_disk(disk, self.directory, self._guest is not None)
                self.disks[disk.target] = made
        words = domain_xml(
            self.spec,
            tuple(self.disks[disk.target] for disk in self.spec.disks),
            self.directory / "qemu",
            self._guest,
            kind=await self._kind(),
            agent=self._agent,
            root=self.libvirtd.root,
        )
        path = self.directory / "domain.xml"
        path.unlink(missing_ok=True)
        private_file(path)
        path.write_text(words)
        await self.libvirtd.virsh("define", str(path))

    async def start(self, *, paused: bool | None = None) -> None:
        """Start the defined domain: running if it has a guest, else paused."""
        halt = self._guest is None if paused is None else paused
        words = ("--paused",) if halt else ()
        await self.libvirtd.virsh("start", self.name, *words)

    async def booted(self) -> None:
        """Wait until the guest's agent answers (about 5 s after the start)."""
        await _until(self._agent_connected)
        await self.libvirtd.virsh("domhostname", self.name, "--source", "agent")

    async def destroy(self) -> None:
        """Let libvirt end its QEMU, which saves its bitmaps."""
        await self.libvirtd.virsh("destroy", self.name, "--graceful")

    async def undefine(self) -> None:
        """Let libvirt forget it, with what it keeps of snapshots and checkpoints."""
        forget = ("--snapshots-metadata", "--checkpoints-metadata", "--managed-save")
        await self.libvirtd.virsh("undefine", self.name, *forget)

    async def kill(self) -> None:
        """SIGKILL its QEMU; returns when libvirt, if it runs, has taken note."""
        # libvirt removes the file as soon as it takes note
        pid = self.libvirtd.pid_file(self.name).read_text()
        gone = "kill -s KILL $0; while kill -0 $0 2>/dev/null; do sleep 0.01; done"
        await self.libvirtd.inside("sh", "-c", gone, pid)
        if self.libvirtd.running:
            await _until(self._ended)

    async def signal(self, name: str) -> None:
        """Send its QEMU a signal: `STOP` makes it hang, `CONT` lets it go on."""
        await self.libvirtd.signal(self.name, name)

    async def state(self) -> str:
        """Return the state in libvirt's words: `running`, `paused`, `shut off`."""
        return await self.libvirtd.virsh("domstate", self.name)

    async def xml(self) -> ET.Element:
        """Return the live XML, or that of the definition when it is off."""
        return ET.fromstring(await self.libvirtd.virsh("dumpxml", self.name))

    async def execute(self, command: str, **arguments: Any) -> Any:
        """Run one QMP command on the lab's own monitor, behind libvirt's back."""
        monitor = await LabMonitor.connect(self.monitor_path)
        try:
            return await monitor.execute(command, **arguments)
        finally:
            await monitor.close()

    async def qemu_io(self, target: str, command: str) -> str:
        """Act on a disk through its device, as the guest would: `write -P 7 0 64k`.

        See `Machine.qemu_io`. libvirtd is not asked, and may be dead.
        """
        log = self.libvirtd.log(self.name)
        before = log.stat().st_size
        line = qemu_io_line(_device(target), command)
        said = await self.execute("human-monitor-command", command_line=line)
        with log.open("rb") as opened:
            opened.seek(before)
            said += opened.read().decode(errors="replace")
        require_done(target, command, said)
        return str(said)

    async def _kind(self) -> str:
        if self._guest is None or not self.libvirtd.kvm:
            return "qemu"
        return "kvm" if await accelerator(self._guest) == "kvm" else "qemu"

    async def _agent_connected(self) -> bool:
        path = f"devices/channel/target[@name='{AGENT_CHANNEL}'][@state='connected']"
        return (await self.xml()).find(path) is not None

    async def _ended(self) -> bool:
        return await self.state() not in _ALIVE

    def _prepare(self) -> None:
        """Make the directories; QEMU's own user needs one of its own in there."""
        made = self.directory / "qemu"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        made.mkdir(mode=0o700, exist_ok=True)
        if self.libvirtd.qemu_user == "root" or os.geteuid() != 0:
            return
        os.chown(made, *self.libvirtd.qemu_ids)
        self.libvirtd.admit(self.directory)
        if self._guest is not None and self._guest.kernel.parent != self.directory:
            there = GuestFiles(self.directory / "vmlinuz", self.directory / "initramfs")
            shutil.copyfile(self._guest.kernel, there.kernel)
            shutil.copyfile(self._guest.initramfs, there.initramfs)
            self._guest = there


def _device(target: str) -> str:
    """Return libvirt's alias of a virtio disk: vda is the first, vdaa the 27th."""
    index = 0
    for letter in target.removeprefix("vd"):
        index = index * 26 + ord(letter) - ord("a") + 1
    return f"virtio-disk{index - 1}"


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():
        await asyncio.sleep(_POLL_S)

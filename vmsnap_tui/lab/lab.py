"""The demo's machines: small guests that write, in a directory of their own.

Two are QEMUs with a QMP socket each; where libvirt is installed a third one is a domain
of a private libvirtd.
"""

import asyncio
import contextlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.directory import private_directory
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.libvirtd import Libvirtd, unavailable
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabFailed

_SPECS = (
    MachineSpec(
        "web-01",
        (
            DiskSpec(
                "vda", "qcow2", 2 << 30, chain_depth=3, files_mib=96, stale_mib=24
            ),
            DiskSpec("vdb", "qcow2", 512 << 20, files_mib=16),
        ),
        guest=True,
    ),
    MachineSpec(
        "db-01",
        (
            DiskSpec("vda", "qcow2", 1 << 30, files_mib=48),
            DiskSpec("vdb", "raw", 256 << 20),
        ),
        guest=True,
        writes_per_s=8,
    ),
)

_DOMAIN = MachineSpec(
    "mail-01",
    (
        DiskSpec("vda", "qcow2", 1 << 30, chain_depth=2, files_mib=24),
        DiskSpec("vdb", "qcow2", 512 << 20, files_mib=16),
    ),
    guest=True,
)


def _silent(_: str) -> None:
    """Nobody listens."""


class Lab:
    """Running machines for as long as the block lasts: `async with Lab() as lab`.

    Where no guest can be had the machines are paused ones without, and `guest_reason`
    says why; `libvirt_reason` says why there is no domain. Nothing survives the block,
    nor the process: the machines die with it, and the next lab removes a directory that
    was left behind.
    """

    def __init__(
        self, preparing: Callable[[str], None] = _silent, *, guests: bool = True
    ) -> None:
        self.machines: tuple[Machine, ...] = ()
        self.domains: tuple[Domain, ...] = ()
        self.repository = Path()
        self.guest_reason = "" if guests else "guests were not asked for"
        self.libvirt_reason = _no_libvirt()
        self._preparing = preparing
        self._guests = guests
        self._later: asyncio.Task[None] | None = None
        self._exit = contextlib.AsyncExitStack()

    @property
    def connections(self) -> tuple[str, ...]:
        """Each machine's, and libvirt's, as `--connect` takes them."""
        machines = tuple(machine.connection for machine in self.machines)
        return machines + tuple(domain.connection for domain in self.domains)

    async def __aenter__(self) -> Self:
        """Start the machines; guests boot, and a domain comes, while the UI opens."""
        async with contextlib.AsyncExitStack() as stack:
            directory = stack.enter_context(private_directory())
            self.repository = directory / "repository"
            self.repository.mkdir(mode=0o700)
            files = await self._guest_files()
            for spec in _SPECS:
                machine = Machine(spec, directory / spec.name, files)
                stack.push_async_callback(machine.stop)
                self.machines += (machine,)
            libvirtd = Libvirtd(directory / "libvirtd")
            stack.push_async_callback(libvirtd.stop)
            await self._start_all(libvirtd)
            if not self.libvirt_reason:
                domain = Domain(_DOMAIN, directory / _DOMAIN.name, libvirtd, files)
                self.domains = (domain,)
                self._later = asyncio.create_task(self._start_domain(domain))
                stack.push_async_callback(asyncio.wait, [self._later])
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all machines, at once, and remove their directory."""
        async with self._exit, asyncio.TaskGroup() as group:
            for machine in self.machines:
                group.create_task(machine.stop())

    async def booted(self) -> None:
        """Wait for the domain, and until the agent of every guest answers."""
        if self._later is not None:
            await self._later
        if self.guest_reason:
            return
        async with asyncio.TaskGroup() as group:
            for machine in self.machines:
                group.create_task(machine.booted())
            for domain in self.domains:
                group.create_task(domain.booted())

    async def _start_all(self, libvirtd: Libvirtd) -> None:
        """Start machines and libvirtd at once; raises the first error, after all."""
        starting = [self._start_libvirtd(libvirtd)] if not self.libvirt_reason else []
        for machine in self.machines:
            self._preparing(f"starting {machine.name}")
            starting.append(machine.start())
        for failed in await asyncio.gather(*starting, return_exceptions=True):
            if failed is not None:
                raise failed

    async def _start_libvirtd(self, libvirtd: Libvirtd) -> None:
        """Start the daemon; where that cannot be the lab goes on, and says why."""
        self._preparing("starting libvirtd")
        try:
            await libvirtd.start()
        except LabFailed as error:
            self.libvirt_reason = str(error)
            self._preparing(f"no libvirt: {error}")

    async def _start_domain(self, domain: Domain) -> None:
        """Start the domain while the UI opens, where it appears when it is there."""
        try:
            await domain.define()
            await domain.start()
        except LabFailed as error:
            self.libvirt_reason = str(error)
            self.domains = ()

    async def _guest_files(self) -> GuestFiles | None:
        if not self._guests:
            return None
        self._preparing("preparing the guest (the first time: a download of 27 MB)")
        files = await guest_files()
        if isinstance(files, GuestFiles):
            return files
        self.guest_reason = files.reason
        self._preparing(f"no guests: {files.reason}")
        return None


def _no_libvirt() -> str:
    """Return why there can be no domain; the demo needs libvirt's bindings for it."""
    if importlib.util.find_spec("libvirt") is None:
        return "not installed: libvirt-python"
    return unavailable()

"""The demo's machines: two small guests that write, in a directory of their own."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.directory import private_directory
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.machines import Machine

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


def _silent(_: str) -> None:
    """Nobody listens."""


class Lab:
    """Running machines for as long as the block lasts: `async with Lab() as lab`.

    Where no guest can be had the machines are paused ones without, and `guest_reason`
    says why. Nothing survives the block, nor the process: the machines die with it,
    and the next lab removes a directory that was left behind.
    """

    def __init__(
        self, preparing: Callable[[str], None] = _silent, *, guests: bool = True
    ) -> None:
        self.machines: tuple[Machine, ...] = ()
        self.repository = Path()
        self.guest_reason = "" if guests else "guests were not asked for"
        self._preparing = preparing
        self._guests = guests
        self._exit = contextlib.AsyncExitStack()

    @property
    def connections(self) -> tuple[str, ...]:
        """The connection of each machine, as `--connect` takes it."""
        return tuple(machine.connection for machine in self.machines)

    async def __aenter__(self) -> Self:
        """Start the machines; the guests in them boot while the UI opens."""
        async with contextlib.AsyncExitStack() as stack:
            directory = stack.enter_context(private_directory())
            self.repository = directory / "repository"
            self.repository.mkdir(mode=0o700)
            files = await self._guest_files()
            for spec in _SPECS:
                machine = Machine(spec, directory / spec.name, files)
                stack.push_async_callback(machine.stop)
                self._preparing(f"starting {spec.name}")
                await machine.start()
                self.machines += (machine,)
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
        """Wait until every guest's agent answers; at once where there are no guests."""
        if self.guest_reason:
            return
        async with asyncio.TaskGroup() as group:
            for machine in self.machines:
                group.create_task(machine.booted())

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

"""What every test has: a plain environment, and real QEMU machines on demand."""

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.directory import private_directory
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.libvirtd import Libvirtd, Others
from vmsnap_tui.lab.machines import Machine

# Textual reads these when it is imported; an operator's shell must not bend a picture
for _name in [name for name in os.environ if name.startswith("TEXTUAL")]:
    # the picture plugin's own, set for its workers before they read this
    if not _name.startswith("TEXTUAL_SNAPSHOT_"):
        del os.environ[_name]
os.environ.pop("NO_COLOR", None)

StartMachine = Callable[..., Awaitable[Machine]]
StartLibvirtd = Callable[..., Awaitable[Libvirtd]]
StartDomain = Callable[..., Awaitable[Domain]]


@pytest.fixture
def lab_directory() -> Iterator[Path]:
    """A private directory whose path is short enough for sockets."""
    with private_directory() as path:
        yield path


@pytest.fixture
async def machine(lab_directory: Path) -> AsyncIterator[StartMachine]:
    """Start paused machines: `await machine(DiskSpec("vda"), …, name=, style=)`.

    They have no guest, and are gone after the test.
    """
    machines: list[Machine] = []

    async def start(
        *disks: DiskSpec,
        name: str = "web-01",
        style: Literal["blockdev", "drive"] = "blockdev",
        extra_monitor: bool = False,
    ) -> Machine:
        spec = MachineSpec(
            name=name,
            disks=disks or (DiskSpec("vda"),),
            style=style,
            extra_monitor=extra_monitor,
        )
        machines.append(Machine(spec, lab_directory / f"m{len(machines)}"))
        await machines[-1].start()
        return machines[-1]

    yield start
    for started in machines:
        await started.stop()


@pytest.fixture
async def guest_machine(lab_directory: Path) -> AsyncIterator[StartMachine]:
    """Boot machines with a guest, as `machine` does; the agent answers on return.

    Where the guest cannot be had the test fails, with the reason: freeze and thaw
    without a guest prove nothing. `./run test --fast` leaves these tests out.
    """
    files = await guest_files()
    assert isinstance(files, GuestFiles), files.reason
    machines: list[Machine] = []

    async def start(
        *disks: DiskSpec,
        name: str = "web-01",
        style: Literal["blockdev", "drive"] = "blockdev",
        extra_monitor: bool = False,
    ) -> Machine:
        spec = MachineSpec(
            name=name,
            disks=disks or (DiskSpec("vda"),),
            guest=True,
            style=style,
            extra_monitor=extra_monitor,
        )
        machines.append(Machine(spec, lab_directory / f"g{len(machines)}", files))
        await machines[-1].start()
        await machines[-1].booted()
        return machines[-1]

    yield start
    for started in machines:
        await started.stop()


@pytest.fixture
async def libvirtd(lab_directory: Path) -> AsyncIterator[StartLibvirtd]:
    """Start private daemons: `await libvirtd(qemu_user=, others=)`; 50 ms each.

    They and all their domains are gone after the test.
    """
    daemons: list[Libvirtd] = []

    async def start(
        *,
        qemu_user: str = "root",
        others: Others = "none",
    ) -> Libvirtd:
        directory = lab_directory / f"l{len(daemons)}"
        daemons.append(Libvirtd(directory, qemu_user=qemu_user, others=others))
        await daemons[-1].start()
        return daemons[-1]

    yield start
    for started in daemons:
        await started.stop()


def _domains(
    lab_directory: Path, libvirtd: StartLibvirtd, files: GuestFiles | None
) -> StartDomain:
    made: list[Domain] = []

    async def start(
        *disks: DiskSpec,
        name: str = "web-01",
        daemon: Libvirtd | None = None,
        agent: bool = True,
        off: bool = False,
        writes_per_s: int = 4,
    ) -> Domain:
        spec = MachineSpec(
            name=name,
            disks=disks or (DiskSpec("vda"),),
            guest=files is not None,
            writes_per_s=writes_per_s,
        )
        if daemon is None:
            daemon = made[0].libvirtd if made else await libvirtd()
        directory = lab_directory / f"d{len(made)}"
        made.append(Domain(spec, directory, daemon, files, agent=agent))
        await made[-1].define()
        if not off:
            await made[-1].start()
        if files is not None and not off:
            await made[-1].booted()
        return made[-1]

    return start


@pytest.fixture
def domain(lab_directory: Path, libvirtd: StartLibvirtd) -> StartDomain:
    """Start paused domains: `await domain(DiskSpec("vda"), …, name=, daemon=, off=)`.

    0.2 s each. Without `daemon` all of a test are on one that is started for them;
    with `off` they are only defined.
    """
    return _domains(lab_directory, libvirtd, None)


@pytest.fixture
async def guest_domain(lab_directory: Path, libvirtd: StartLibvirtd) -> StartDomain:
    """Boot domains with a guest, as `domain` does; the agent answers on return."""
    files = await guest_files()
    assert isinstance(files, GuestFiles), files.reason
    return _domains(lab_directory, libvirtd, files)


@pytest.fixture(scope="session")
def qemu_version() -> tuple[int, int, int]:
    """The version of the QEMU in PATH, as query-version would tell it."""
    said = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True
    ).stdout
    major, minor, micro = said.split("version ")[1].split()[0].split(".")[:3]
    return int(major), int(minor), int(micro)

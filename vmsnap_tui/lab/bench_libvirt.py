"""The same measures on libvirt's domains, against virsh by hand in the same run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vmsnap_tui.lab.bench_disks import (
    HAND_WINDOW,
    TARGETS,
    WINDOW,
    Bench,
    Sizes,
    added_to_window,
    filled_disks,
)
from vmsnap_tui.lab.bench_screens import Shown
from vmsnap_tui.lab.by_hand_libvirt import hand_of
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.libvirtd import Libvirtd, unavailable
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.product import Product
from vmsnap_tui.lab.series import Measured, Values, in_turn


@asynccontextmanager
async def private_libvirtd(directory: Path) -> AsyncIterator[Libvirtd]:
    """A daemon that ends with the block, and its domains with it.

    Raises LabFailed where none is installed.
    """
    if reason := unavailable():
        raise LabFailed("no libvirt to measure", evidence=reason)
    daemon = Libvirtd(directory / "libvirtd")
    await daemon.start()
    try:
        yield daemon
    finally:
        await daemon.stop()


@asynccontextmanager
async def on_a_domain(sizes: Sizes, directory: Path) -> AsyncIterator[Bench]:
    """Run a paused domain with two disks full of random data."""
    disks = await filled_disks(sizes, directory)
    async with private_libvirtd(directory) as daemon:
        domain = Domain(MachineSpec("web-01", disks), directory / "domain", daemon)
        await domain.define()
        await domain.start()
        async with hand_of(domain, directory / "hand") as hand:
            yield Bench(domain, (domain.connection,), hand, directory)


@asynccontextmanager
async def two_domains(directory: Path) -> AsyncIterator[Shown]:
    """Two paused domains of one libvirt."""
    names = ("web-01", "db-01")
    async with private_libvirtd(directory) as daemon:
        for name in names:
            spec = MachineSpec(name, tuple(map(DiskSpec, TARGETS)))
            domain = Domain(spec, directory / name, daemon)
            await domain.define()
            await domain.start()
        yield Shown((daemon.uri,), names)


async def freeze(sizes: Sizes, directory: Path) -> Measured:
    """The window of a real guest, against virsh's own freeze, backup-begin and thaw.

    Raises LabFailed with the reason where no guest can be had.
    """
    files = await guest_files()
    if not isinstance(files, GuestFiles):
        raise LabFailed("no guest to freeze", evidence=files.reason)
    disks = tuple(DiskSpec(target, size_bytes=64 << 20) for target in TARGETS)
    spec = MachineSpec("web-01", disks, guest=True)
    product = Product(directory)
    words = ("backup", "web-01", "--level", "full", "--quiesce", "--json", "--yes")
    async with private_libvirtd(directory) as daemon:
        domain = Domain(spec, directory / "domain", daemon, files)
        await domain.define()
        await domain.start()
        await domain.booted()
        async with hand_of(domain, directory / "hand") as hand:

            async def ours() -> Values:
                ran = product.run(*words, connect=(domain.connection,))
                return {WINDOW: ran.document["freeze_window_s"]}

            async def by_hand() -> Values:
                calls = await hand.freeze_and_start()
                return {
                    HAND_WINDOW: calls.sum_s,
                    "of it freeze": calls.freeze_s,
                    "of it backup-begin": calls.transaction_s,
                    "of it thaw": calls.thaw_s,
                }

            series = await in_turn(sizes.rounds, (ours, by_hand))
    what = "the freeze window of a guest domain with 2 file systems that are written to"
    return Measured("libvirt-freeze", what, tuple(series), (added_to_window(series),))

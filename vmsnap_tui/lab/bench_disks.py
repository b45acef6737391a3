"""Backups, restores and freezes, each against QEMU's own by hand in the same run."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vmsnap_tui.lab.by_hand import HandBackup, convert, freeze_and_start
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec, make_disk, private_file
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.product import Product, Ran, nameless
from vmsnap_tui.lab.series import (
    Figure,
    Measured,
    Series,
    Take,
    Values,
    in_turn,
    median_of,
)

COPYING = (
    "attach-targets",
    "start-backup",
    "await-jobs",
    "finalize-jobs",
    "detach-targets",
)
"""The steps that a backup by hand has too."""

LEAST_RATIO = 0.95
IDLE_AT_MOST_S = 0.5
FREEZE_AT_MOST_S = 0.020
TARGETS = ("vda", "vdb")
INCREMENTS = 4
PIECE_MIB = 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; a test takes little."""

    rounds: int = 5
    disk_mib: int = 512
    changed_mib: int = 100
    watched_s: float = 10.0


Stand = Callable[[Sizes, Path], AbstractAsyncContextManager["Bench"]]
"""Where backups are measured: on a machine with a monitor, or on a domain."""


async def full(sizes: Sizes, directory: Path, stand: Stand) -> Measured:
    """Full backups of two disks that are full of random data."""
    async with stand(sizes, directory) as bench:

        async def ours() -> Values:
            return _backup_values(bench.backup("full"))

        async def by_hand() -> Values:
            return {"by hand, copying": await bench.hand.take(increment=False)}

        series = await in_turn(sizes.rounds, (ours, by_hand))
    ratio = median_of(series, "by hand, copying") / median_of(series, _COPYING)
    return Measured(
        "full",
        f"a full of 2 disks with {sizes.disk_mib} MiB of random data each",
        tuple(series),
        (Figure("ratio of copying", "", ratio, at_least=LEAST_RATIO),),
    )


async def incremental(sizes: Sizes, directory: Path, stand: Stand) -> Measured:
    """Increments of data that changed on one disk of two."""
    async with stand(sizes, directory) as bench:
        await bench.begin_increments()

        async def ours() -> Values:
            return _backup_values(bench.backup("incremental"))

        async def by_hand() -> Values:
            return {"by hand, copying": await bench.hand.take(increment=True)}

        async def change() -> None:
            await bench.change(sizes.changed_mib)

        series = await in_turn(sizes.rounds, (ours, by_hand), change)
    ratio = median_of(series, "by hand, copying") / median_of(series, _COPYING)
    return Measured(
        "incremental",
        f"an increment with {sizes.changed_mib} MiB changed on one disk of 2",
        tuple(series),
        (Figure("ratio of copying", "", ratio, at_least=LEAST_RATIO),),
    )


async def idle(sizes: Sizes, directory: Path, stand: Stand) -> Measured:
    """Increments of two disks that nobody wrote to: what is added to QEMU's work."""
    async with stand(Sizes(disk_mib=8), directory) as bench:
        await bench.begin_increments()

        async def ours() -> Values:
            return _backup_values(bench.backup("incremental"))

        async def by_hand() -> Values:
            return {"by hand, copying": await bench.hand.take(increment=True)}

        series = await in_turn(sizes.rounds, (ours, by_hand))
    hand_s = median_of(series, "by hand, copying")
    inside_s = median_of(series, _OPERATION) - hand_s
    added_s = median_of(series, _PROCESS) - hand_s
    return Measured(
        "idle",
        "an increment of 2 idle disks",
        tuple(series),
        (
            Figure("added by the operation", "s", inside_s),
            Figure("added by the process", "s", added_s, at_most=IDLE_AT_MOST_S),
        ),
    )


async def restore(sizes: Sizes, directory: Path) -> Measured:
    """Restores of two disks through a full and four increments, to both formats."""
    async with on_a_machine(sizes, directory) as bench:
        newest = await bench.chain(sizes.changed_mib)
        takes = []
        for to_format in ("raw", "qcow2"):
            takes += bench.restores(newest, to_format)
        series = await in_turn(sizes.rounds, tuple(takes))
    figures = []
    for to_format in ("raw", "qcow2"):
        hand_s = median_of(series, f"qemu-img convert to {to_format}")
        ratio = hand_s / median_of(series, f"vmsnap-tui to {to_format}, converting")
        name = f"ratio of converting to {to_format}"
        figures.append(Figure(name, "", ratio, at_least=LEAST_RATIO))
    return Measured(
        "restore",
        f"2 disks of {sizes.disk_mib} MiB through a full and {INCREMENTS} increments of"
        f" {sizes.changed_mib} MiB each",
        tuple(series),
        tuple(figures),
    )


async def freeze(sizes: Sizes, directory: Path) -> Measured:
    """The window of a real guest, against the agent's own calls and a transaction.

    Raises LabFailed with the reason where no guest can be had.
    """
    files = await guest_files()
    if not isinstance(files, GuestFiles):
        raise LabFailed("no guest to freeze", evidence=files.reason)
    disks = tuple(DiskSpec(target, size_bytes=64 << 20) for target in TARGETS)
    spec = MachineSpec("web-01", disks, guest=True)
    machine = Machine(spec, directory / "freeze", files)
    await machine.start()
    try:
        await machine.booted()
        product = Product(directory)
        hand = HandBackup(machine, directory / "hand")
        words = ("backup", "web-01", "--level", "full", "--quiesce", "--json", "--yes")

        async def ours() -> Values:
            document = product.run(*words, connect=nameless(machine)).document
            return {WINDOW: document["freeze_window_s"]}

        async def by_hand() -> Values:
            calls = await freeze_and_start(machine, hand)
            return {
                HAND_WINDOW: calls.sum_s,
                "of it freeze": calls.freeze_s,
                "of it transaction": calls.transaction_s,
                "of it thaw": calls.thaw_s,
            }

        series = await in_turn(sizes.rounds, (ours, by_hand))
    finally:
        await machine.stop()
    what = "the freeze window of a guest with 2 file systems that are written to"
    return Measured("freeze", what, tuple(series), (added_to_window(series),))


def added_to_window(series: list[Series]) -> Figure:
    """Return how much longer file systems are frozen than by hand."""
    added_s = median_of(series, WINDOW) - median_of(series, HAND_WINDOW)
    return Figure("added to the window", "s", added_s, at_most=FREEZE_AT_MOST_S)


WINDOW, HAND_WINDOW = "vmsnap-tui, window", "by hand, window"
_COPYING = "vmsnap-tui, copying"
_OPERATION = "vmsnap-tui, the operation"
_PROCESS = "vmsnap-tui, the process"


def _backup_values(ran: Ran) -> Values:
    """What a backup took, in parts: the rest is images, journal, manifest, bitmaps."""
    operation_s = ran.document["elapsed_s"]
    copying_s, reading_s = ran.spent_s(*COPYING), ran.spent_s("seal-target")
    return {
        _COPYING: copying_s,
        "vmsnap-tui, sync, check and sha256": reading_s,
        "vmsnap-tui, the rest": operation_s - copying_s - reading_s,
        _OPERATION: operation_s,
        _PROCESS: ran.wall_s,
    }


class Hand(Protocol):
    """Backups of a bench's machine without the product."""

    async def record_changes(self) -> None:
        """Record every write from now on, for increments."""

    async def take(self, *, increment: bool) -> float:
        """Back up all disks at one instant; return the seconds of the copying."""


class Bench:
    """A paused machine with data, the product and the same work by hand."""

    def __init__(
        self,
        machine: Machine | Domain,
        connect: tuple[str, ...],
        hand: Hand,
        directory: Path,
    ) -> None:
        self.machine = machine
        self.product = Product(directory)
        self.hand = hand
        self._connect = connect
        self._directory = directory
        self._changes = 0

    def backup(self, level: str) -> Ran:
        words = ("backup", "web-01", "--level", level, "--json", "--yes")
        return self.product.run(*words, connect=self._connect)

    async def begin_increments(self) -> None:
        await self.hand.record_changes()
        self.backup("full")

    async def change(self, mib: int) -> None:
        """Write to every other MiB of the first disk, with bytes of its own."""
        self._changes += 1
        for number in range(mib):
            offset_mib = (2 * number * PIECE_MIB) % self._disk_mib
            write = f"write -P {self._changes % 256} {offset_mib}M {PIECE_MIB}M"
            await self.machine.qemu_io(TARGETS[0], write)

    async def chain(self, changed_mib: int) -> tuple[Path, ...]:
        """Take a full and increments; return the newest file of each disk."""
        await self.begin_increments()
        for _ in range(INCREMENTS):
            await self.change(changed_mib)
            last = self.backup("incremental").document
        (point,) = self.product.repository.glob(f"vms/*/points/{last['point']}")
        return tuple(point / disk["file"] for disk in last["disks"])

    def restores(self, newest: tuple[Path, ...], to_format: str) -> list[Take]:
        """The two ways to restore to a format."""

        async def ours() -> Values:
            with self._fresh() as out:
                words = ("restore", newest[0].parent.name, "--to", out)
                ran = self.product.run(*words, "--format", to_format, "--json", "--yes")
            checking_s = ran.spent_s("check-stored")
            return {
                f"vmsnap-tui to {to_format}, converting": ran.spent_s("restore-disk"),
                f"vmsnap-tui to {to_format}, sha256 of all": checking_s,
                f"vmsnap-tui to {to_format}, operation": ran.document["elapsed_s"],
            }

        async def by_hand() -> Values:
            with self._fresh() as out:
                elapsed_s = await convert(newest, Path(out), to_format)
            return {f"qemu-img convert to {to_format}": elapsed_s}

        return [ours, by_hand]

    def _fresh(self) -> "tempfile.TemporaryDirectory[str]":
        """For restored disks, which would fill a memory file system."""
        return tempfile.TemporaryDirectory(prefix="restored-", dir=self._directory)

    @property
    def _disk_mib(self) -> int:
        return self.machine.spec.disks[0].size_bytes >> 20


@asynccontextmanager
async def on_a_machine(sizes: Sizes, directory: Path) -> AsyncIterator[Bench]:
    """Run a paused machine with two disks full of random data."""
    disks = await filled_disks(sizes, directory)
    machine = Machine(MachineSpec("web-01", disks), directory / "machine")
    await machine.start()
    try:
        hand = HandBackup(machine, directory / "hand")
        yield Bench(machine, nameless(machine), hand, directory)
    finally:
        await machine.stop()


async def filled_disks(sizes: Sizes, directory: Path) -> tuple[DiskSpec, ...]:
    """Make the disks of a bench, full of random data."""
    return tuple([await _filled(t, sizes.disk_mib, directory) for t in TARGETS])


async def _filled(target: str, mib: int, directory: Path) -> DiskSpec:
    seed = directory / f"{target}.seed"
    private_file(seed)
    with seed.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    spec = DiskSpec(target, "qcow2", mib << 20)
    made = await make_disk(spec, directory, seed)
    seed.unlink()
    return DiskSpec(target, "qcow2", mib << 20, path=made.active)

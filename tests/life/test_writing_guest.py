"""Backups of a machine that never stops writing: each point is one cut of its writes.

Every write carries a number, one counter for all disks, and begins when the one before
is done. In a restored point, each block has to hold the last number written to it up
to the newest number found anywhere: nothing newer is missing, nothing later is there.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.engine.rig import run
from tests.life.stranger import GOOD, Stranger
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.units import KiB, MiB

BLOCK_BYTES = 32 * KiB
"""Half of what a bitmap's bit stands for."""
DISK_BYTES = 4 * MiB
BLOCKS = DISK_BYTES // BLOCK_BYTES

Write = tuple[str, int]
"""A disk's target and the block."""


class Scribe:
    """Writes numbers to blocks, one after the other, until told to stop."""

    def __init__(self, machine: Machine, directory: Path, seed: int) -> None:
        self.machine = machine
        self.pattern = directory / "pattern"
        self.random = random.Random(seed)
        self.writes: list[Write] = []
        """Write number n is at n - 1."""
        self.stopping = False

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._write())
        try:
            yield
        finally:
            self.stopping = True
            await task
            self.stopping = False

    async def _write(self) -> None:
        targets = list(self.machine.disks)
        while not self.stopping:
            target = self.random.choice(targets)
            # one half of the writes stays in one place, to overtake the copying
            block = self.random.randrange(self.random.choice([BLOCKS, 4]))
            self.writes.append((target, block))
            self.pattern.write_bytes(len(self.writes).to_bytes(8) * 64)
            at = block * BLOCK_BYTES
            command = f"write -s {self.pattern} {at} {BLOCK_BYTES}"
            await self.machine.qemu_io(target, command)


def numbers(image: Path) -> Iterator[int]:
    """The number in each block, which has to be the same all over it."""
    data = image.read_bytes()
    for at in range(0, len(data), BLOCK_BYTES):
        block = data[at : at + BLOCK_BYTES]
        assert block == block[:8] * (BLOCK_BYTES // 8), f"torn at {at} in {image.name}"
        yield int.from_bytes(block[:8])


def check_one_cut(writes: list[Write], found: dict[str, list[int]]) -> int:
    """The number of the last write in it."""
    cut = max(number for blocks in found.values() for number in blocks)
    wanted = {target: [0] * len(blocks) for target, blocks in found.items()}
    for number, (target, block) in enumerate(writes[:cut], start=1):
        wanted[target][block] = number
    assert found == wanted, f"not the cut after write {cut}"
    return cut


async def restored(
    stranger: Stranger,
    point: str,
    read: Callable[[Path], Iterator[int]] = numbers,
) -> dict[str, list[int]]:
    out = stranger.directory / f"out-{point}"
    done = await stranger.shell.run(
        "restore", point, "--to", str(out), "--format", "raw"
    )
    assert done.code in GOOD, done
    return {path.stem: list(read(path)) for path in out.iterdir()}


@pytest.fixture
async def stranger(
    lab_directory: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Stranger]:
    targets, iothreads = request.param
    disks = tuple(DiskSpec(target, size_bytes=DISK_BYTES) for target in targets)
    spec = MachineSpec("web-01", disks, iothreads=iothreads)
    machine = Machine(spec, lab_directory / "machine")
    await machine.start()
    found = Stranger(machine, lab_directory)
    yield found
    await found.shell.stop()
    await machine.stop()


@pytest.mark.qemu
@pytest.mark.parametrize(
    "stranger",
    [(("vda",), False), (("vda", "vdb"), False), (("vda", "vdb"), True)],
    ids=["one disk", "two disks", "two disks with iothreads"],
    indirect=True,
)
async def test_each_point_is_one_cut_of_the_writes(stranger: Stranger) -> None:
    scribe = Scribe(stranger.machine, stranger.directory, seed=5)
    points = []
    async with scribe.writing():
        for number in range(6):
            done = await stranger.command("backup", stranger.machine.name, "--json")
            assert done.code in GOOD, done
            level = "incremental" if number else "full"
            assert done.document["level"] == level
            points.append(done.document["point"])
    cuts = [check_one_cut(scribe.writes, await restored(stranger, p)) for p in points]
    assert cuts == sorted(set(cuts))
    assert await stranger.rig.leftovers() == []


PAGE_BYTES = 4 * KiB
PAGES = DISK_BYTES // PAGE_BYTES
STRIDE = 389
"""Prime to the number of pages, so that all get their turn."""

SCRIPT = f"""
n=0
while :; do
    n=$((n + 1))
    printf '%-{PAGE_BYTES - 1}s\\n' $n >/run/page
    [ $((n % 2)) = 1 ] && disk=/dev/vda || disk=/dev/vdb
    dd if=/run/page of=$disk bs={PAGE_BYTES} count=1 \\
        seek=$((n * {STRIDE} % {PAGES})) conv=notrunc,fsync 2>/dev/null
done
"""


def guest_writes(count: int) -> list[Write]:
    """What the script wrote, in its order."""
    return [
        ("vda" if number % 2 else "vdb", number * STRIDE % PAGES)
        for number in range(1, count + 1)
    ]


def page_numbers(image: Path) -> Iterator[int]:
    data = image.read_bytes()
    for at in range(0, len(data), PAGE_BYTES):
        yield int(data[at : at + PAGE_BYTES].strip(b"\0").strip() or b"0")


@pytest.fixture
async def writing_guest(lab_directory: Path) -> AsyncIterator[Stranger]:
    """A guest that writes to two disks, each with a thread of its own."""
    files = await guest_files()
    assert isinstance(files, GuestFiles), files.reason
    disks = []
    for target in ("vda", "vdb"):
        path = lab_directory / f"{target}.qcow2"
        await run("qemu-img", "create", "-f", "qcow2", str(path), str(DISK_BYTES))
        disks.append(DiskSpec(target, path=path))
    spec = MachineSpec("web-01", tuple(disks), guest=True, iothreads=True)
    machine = Machine(spec, lab_directory / "machine", files)
    await machine.start()
    found = Stranger(machine, lab_directory)
    try:
        await machine.booted()
        await machine.ask_agent("guest-exec", path="/bin/sh", arg=["-c", SCRIPT])
        yield found
    finally:
        await found.shell.stop()
        await machine.kill()


@pytest.mark.guest
async def test_each_point_is_one_cut_of_what_a_guest_writes(
    writing_guest: Stranger,
) -> None:
    stranger, points = writing_guest, []
    for number in range(6):
        done = await stranger.command("backup", stranger.machine.name, "--json")
        assert done.code in GOOD, done
        assert done.document["level"] == ("incremental" if number else "full")
        points.append(done.document["point"])
    assert await stranger.rig.leftovers() == []
    cuts = []
    for point in points:
        found = await restored(stranger, point, page_numbers)
        newest = max(number for pages in found.values() for number in pages)
        cuts.append(check_one_cut(guest_writes(newest), found))
    assert cuts == sorted(set(cuts)), "it wrote between any two points"

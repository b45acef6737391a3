"""Writers of numbers, and what a restored disk tells of them.

Every write carries a number, one counter for all disks, and begins when the one before
is done. So whatever one instant holds, it is a cut: the last number written to each
block, up to the newest number found anywhere.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.engine.rig import Subject
from tests.life.stranger import GOOD, Visitor
from vmsnap_tui.units import KiB, MiB

BLOCK_BYTES = 32 * KiB
"""Half of what a bitmap's bit stands for."""
DISK_BYTES = 4 * MiB
BLOCKS = DISK_BYTES // BLOCK_BYTES

Write = tuple[str, int]
"""A disk's target and the block."""


class Scribe:
    """Writes numbers to blocks, one after the other, until told to stop."""

    def __init__(self, machine: Subject, directory: Path, seed: int) -> None:
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
    stranger: Visitor[Any],
    point: str,
    read: Callable[[Path], Iterator[int]] = numbers,
) -> dict[str, list[int]]:
    out = stranger.directory / f"out-{point}"
    done = await stranger.shell.run(
        "restore", point, "--to", str(out), "--format", "raw"
    )
    assert done.code in GOOD, done
    return {path.stem: list(read(path)) for path in out.glob("*.raw")}


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

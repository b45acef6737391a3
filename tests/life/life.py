"""The days of a machine's life that are the same whoever runs its QEMU.

VMSNAP_LIFE_SEED and VMSNAP_LIFE_STEPS make another life, or a longer one. What
happened is in the message of a failure, in order, so that it can be lived again.
"""

import os
import random
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

from tests.cli.conftest import ended
from tests.life.stranger import GOOD, Contents, Visitor, strike
from vmsnap_tui.units import KiB, MiB

SEED = int(os.environ.get("VMSNAP_LIFE_SEED", "1"))
STEPS = int(os.environ.get("VMSNAP_LIFE_STEPS", "16"))

Move = Callable[[], Awaitable[None]]


class Life:
    """One life; every move is an equally likely next day, weighted by repetition."""

    smallest_bytes = 4 * MiB
    """Of any disk, at any time."""
    after_a_death = frozenset({0, 3, 5, 6, 8})
    """Done all the same, undone, not known yet, or nobody there from the first."""

    def __init__(self, stranger: Visitor[Any], seed: int) -> None:
        self.stranger = stranger
        self.machine = stranger.machine
        self.random = random.Random(seed)

    def moves(self) -> list[Move]:
        return [
            *[self.back_up] * 4,
            *[self.back_up_and_die] * 4,
            *[self.lose_the_machine] * 2,
            self.crash_after_backup,
            self.back_up_twice_at_once,
            self.back_up_elsewhere,
            self.lose_the_newest_point,
            self.put_back_an_old_repository,
        ]

    def targets(self) -> list[str]:
        return list(self.machine.disks)

    async def live(self, days: int) -> None:
        moves = self.moves()
        for _ in range(days):
            await self.write_something()
            await self.random.choice(moves)()
            assert await self.stranger.rig.leftovers() == [], self.stranger.told
        await self.write_something()
        await self.stranger.backup()
        await self.write_something()
        last = await self.stranger.backup("--level", "incremental")
        assert last["level"] == "incremental", self.stranger.told

    async def write_something(self) -> None:
        for _ in range(self.random.randint(0, 4)):
            target = self.random.choice(self.targets())
            size = self.random.choice([512, 4 * KiB, 64 * KiB, 300 * KiB])
            at = self.random.randrange(0, self.smallest_bytes - size, 512)
            verb = self.random.choice(
                ["write -P {p}"] * 4 + ["write -z", "write -zu", "discard"]
            ).format(p=self.random.randint(1, 255))
            await self.machine.qemu_io(target, f"{verb} {at} {size}")
            self.stranger.note(f"{target}: {verb} {at} {size}")

    async def crash(self) -> None:
        await self.machine.kill()
        await self.machine.start()
        self.stranger.note("QEMU was killed and started")

    async def revive(self) -> None:
        """Start the machine if it is down."""
        if not self.machine.running:
            await self.machine.start()

    def words(self) -> list[str]:
        words = [] if self.random.random() < 0.7 else ["--level", "full"]
        if self.random.random() < 0.2:
            words += ["--exclude", self.random.choice(self.targets())]
        if self.random.random() < 0.2:
            words += ["--compress"]
        return words

    async def back_up(self) -> None:
        await self.stranger.backup(*self.words())

    async def killed(self, blow: Callable[[], Awaitable[None]]) -> tuple[int, Contents]:
        """A backup during which something happens; its end, and what was there."""
        then = await self.stranger.contents()
        words = self.words()
        process = await self.stranger.begin(
            "backup", self.machine.name, "--json", *words
        )
        lines, delay_s = self.random.randint(0, 26), self.random.uniform(0, 0.02)
        if lines == 0:
            delay_s = self.random.uniform(0, 0.4)

        async def fall() -> None:
            if process.returncode is None:
                await blow()

        self.stranger.note(f"backup {words}, struck after {lines} lines, {delay_s:.3f}")
        over = await strike(process, lines, delay_s, fall)
        last = over.err.splitlines()[-1:]
        self.stranger.note(f"… ended with {over.code}: {last}")
        return over.code, then

    async def back_up_and_die(self) -> None:
        """kill -9 of the tool, writes, and somebody recovers."""

        async def blow() -> None:
            self.stranger.shell.processes[-1].kill()

        _, then = await self.killed(blow)
        await self.write_something()
        if self.random.random() < 0.3:
            await self.crash()
        if self.random.random() < 0.7:
            await self.stranger.recover()
            await self.stranger.take_note_of_new(then)
        else:
            now = await self.stranger.contents()
            done = await self.stranger.command("backup", self.machine.name, "--json")
            assert done.code in GOOD, (done, self.stranger.told)
            self.stranger.note(f"not recovered, backed up → {done.document['point']}")
            self.stranger.points[done.document["point"]] = now
            await self.stranger.take_note_of_new(then)

    async def lose_the_machine(self) -> None:
        """kill -9 of QEMU while the tool works; it is started again."""
        code, then = await self.killed(self.machine.kill)
        assert code in self.after_a_death, self.stranger.told
        await self.revive()
        await self.stranger.recover()
        await self.stranger.take_note_of_new(then)

    async def crash_after_backup(self) -> None:
        await self.stranger.backup(*self.words())
        await self.crash()

    async def back_up_twice_at_once(self) -> None:
        now = await self.stranger.contents()
        name = self.machine.name
        begun = [await self.stranger.begin("backup", name, "--json") for _ in "ab"]
        over = [await ended(process) for process in begun]
        codes = [each.code for each in over]
        self.stranger.note(f"two at once ended with {codes}")
        assert set(codes) & GOOD, (over, self.stranger.told)
        # one QMP socket serves one client, and one lock one operation
        assert set(codes) <= {*GOOD, 4, 8, 11}, (over, self.stranger.told)
        await self.stranger.take_note_of_new(now)

    async def back_up_elsewhere(self) -> None:
        """Two repositories do not know each other, and their bitmaps live together."""
        shell = self.stranger.shell
        mine, known = shell.repository, dict(self.stranger.points)
        shell.repository = mine.with_name("elsewhere")
        try:
            point = (await self.stranger.backup())["point"]
            held = self.stranger.points[point]
            assert await self.stranger.restored(point) == held, self.stranger.told
        finally:
            shell.repository = mine
            self.stranger.points = known

    async def lose_the_newest_point(self) -> None:
        homes = list(self.stranger.shell.repository.glob("vms/*/points/*"))
        if not homes:
            return
        listed = await self.stranger.stored()
        newest = max(listed, key=lambda name: int(listed[name]["seq"]))
        (home,) = [home for home in homes if home.name == newest]
        shutil.rmtree(home)
        del self.stranger.points[newest]
        self.stranger.note(f"somebody removed {newest}")

    async def put_back_an_old_repository(self) -> None:
        """A copy of the repository, some backups, and the copy in its place."""
        mine = self.stranger.shell.repository
        if not mine.exists():
            return
        old, known = mine.with_name("old"), dict(self.stranger.points)
        shutil.copytree(mine, old)
        await self.stranger.backup(*self.words())
        await self.write_something()
        await self.stranger.backup(*self.words())
        shutil.rmtree(mine)
        old.rename(mine)
        self.stranger.points = known
        self.stranger.note("the repository was put back as it was two backups ago")

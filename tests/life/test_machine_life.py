"""A machine's whole life at random: nothing that happens to it costs a point.

See `life` for how to make another life, or a longer one.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.cli.conftest import stop_in_mid_copy
from tests.conftest import StartMachine
from tests.life.foreigner import Foreigner
from tests.life.life import SEED, STEPS, Life, Move
from tests.life.stranger import Stranger
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import MiB


class QmpLife(Life):
    """With somebody else on another monitor."""

    def __init__(self, stranger: Stranger, seed: int) -> None:
        super().__init__(stranger, seed)
        self.foreigner = Foreigner(stranger.machine, self.random, stranger.note)

    def moves(self) -> list[Move]:
        others = [*[self.foreigner.act] * 4, self.meet_a_snapshot, self.restart]
        return [*super().moves(), *others]

    async def meet_a_snapshot(self) -> None:
        """Somebody else's, at any instant of ours."""
        target = self.random.choice(self.targets())
        root = await self.foreigner.root(target)

        async def blow() -> None:
            await self.foreigner.snapshot_now(target, root)

        code, then = await self.killed(blow)
        assert code in {0, 3, 4, 5}, self.stranger.told
        await self.stranger.recover()
        await self.stranger.take_note_of_new(then)

    async def restart(self) -> None:
        await self.machine.stop()
        if self.random.random() < 0.5:
            await self.foreigner.act_offline()
        await self.machine.start()
        self.stranger.note("QEMU quit and was started")


@pytest.fixture
async def strangers(
    machine: StartMachine, lab_directory: Path
) -> AsyncIterator[Callable[..., Awaitable[Stranger]]]:
    met: list[Stranger] = []

    async def meet(*disks: DiskSpec, style: Literal["blockdev", "drive"]) -> Stranger:
        met.append(Stranger(await machine(*disks, style=style), lab_directory))
        return met[-1]

    yield meet
    for stranger in met:
        await stranger.shell.stop()


@pytest.mark.qemu
@pytest.mark.timeout(900)
@pytest.mark.parametrize("style", ["blockdev", "drive"])
async def test_no_day_of_a_machine_costs_a_point(
    strangers: Callable[..., Awaitable[Stranger]],
    style: Literal["blockdev", "drive"],
) -> None:
    stranger = await strangers(
        DiskSpec("vda", size_bytes=8 * MiB, chain_depth=3),
        DiskSpec("vdb", "qcow2" if style == "blockdev" else "raw", size_bytes=4 * MiB),
        style=style,
    )
    life = QmpLife(stranger, SEED)
    await life.live(STEPS)
    await stranger.verify_all()


@pytest.mark.qemu
async def test_the_next_run_of_a_timer_finishes_a_killed_one(
    strangers: Callable[..., Awaitable[Stranger]],
) -> None:
    """Its jobs still copy and nobody says `recover`; a dry run only tells of it."""
    stranger = await strangers(DiskSpec("vda", size_bytes=8 * MiB), style="blockdev")
    await stranger.machine.qemu_io("vda", "write -P 7 0 3M")
    then = await stranger.contents()
    process = await stranger.begin("backup", "web-01", "--json", "--speed", "1M")
    await stop_in_mid_copy(process, signal.SIGKILL)
    await process.wait()
    await stranger.machine.qemu_io("vda", "write -P 8 1M 1M")
    dry = await stranger.command("backup", "web-01", "--json", "--dry-run")
    if dry.code:
        assert dry.code == 4
        assert "recover" in dry.told_of("error")[0]["remedy"]
    last = await stranger.backup()
    assert last["level"] == "incremental"
    await stranger.take_note_of_new(then)
    assert len(stranger.points) == 2
    await stranger.verify_all()

"""A domain's whole life at random, by way of libvirt: nothing costs a point.

See `life` for how to make another life, or a longer one. Others work on the domain by
virsh, the tool and QEMU are killed, and libvirtd goes and comes back.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import StartDomain
from tests.life.domains import DomainVisitor
from tests.life.life import SEED, STEPS, Life, Move
from tests.life.virsh_foreigner import VirshForeigner
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import MiB


class LibvirtLife(Life):
    """With somebody else at virsh, and a daemon that is restarted."""

    # libvirt answers for a machine that is off: there is nothing to back up
    after_a_death = Life.after_a_death | {4}

    def __init__(self, visitor: DomainVisitor, seed: int) -> None:
        super().__init__(visitor, seed)
        self.visitor = visitor
        self.domain = visitor.machine
        self.libvirtd = visitor.machine.libvirtd
        self.foreigner = VirshForeigner(visitor, self.random)

    def moves(self) -> list[Move]:
        others = [
            *[self.meet_somebody] * 6,
            self.restart,
            self.save,
            self.lose_the_daemon,
        ]
        return [
            *super().moves(),
            *others,
            self.lose_the_daemon,
            self.restart_the_daemon,
        ]

    def targets(self) -> list[str]:
        return list(self.foreigner.targets)

    def words(self) -> list[str]:
        """libvirt compresses nothing."""
        return [word for word in super().words() if word != "--compress"]

    async def live(self, days: int) -> None:
        await super().live(days)
        await self.foreigner.settle()
        self.visitor.rig.forgiven.clear()

    async def crash(self) -> None:
        await super().crash()
        self.foreigner.spoilt()

    async def revive(self) -> None:
        if await self.domain.state() not in {"running", "paused"}:
            await self.domain.start()
            self.foreigner.spoilt()
            self.visitor.note("QEMU was started again")

    async def lose_the_newest_point(self) -> None:
        await super().lose_the_newest_point()
        await self._forgive()

    async def put_back_an_old_repository(self) -> None:
        await super().put_back_an_old_repository()
        await self._forgive()

    async def _forgive(self) -> None:
        """Records of ours may have lost their point."""
        rig = self.visitor.rig
        rig.forgiven |= await rig.checkpoints() | await rig.bitmaps()

    async def meet_somebody(self) -> None:
        await self.foreigner.act()
        await self.foreigner.standing()

    async def meet_somebody_in_the_middle(self) -> None:
        """At any instant of ours; libvirt may let them wait for the end of it."""
        code, then = await self.killed(self.foreigner.act_in_the_middle)
        assert code in {0, 3, 4, 5}, self.visitor.told
        state = await self.domain.state()
        assert state == "paused", f"QEMU is {state}\n{self.visitor.told}"
        await self.visitor.recover()
        await self.visitor.take_note_of_new(then)
        await self.foreigner.standing()

    async def end_in_the_middle(self) -> None:
        """`virsh destroy` while the tool works."""
        code, then = await self.killed(self.domain.destroy)
        self.visitor.note("… as the domain was destroyed")
        assert code in self.after_a_death, self.visitor.told
        await self.revive()
        await self.visitor.recover()
        await self.visitor.take_note_of_new(then)

    async def lose_the_daemon(self) -> None:
        """libvirtd goes while the tool works, and comes back at once."""
        end = self.random.choice([self.libvirtd.kill, self.libvirtd.terminate])

        async def blow() -> None:
            await end()
            await self.libvirtd.start()

        code, then = await self.killed(blow)
        self.visitor.note(f"… as libvirtd went by {end.__name__}")
        assert code in {0, 3, 5, 6, 8}, self.visitor.told
        await self.visitor.recover()
        await self.visitor.take_note_of_new(then)

    async def restart_the_daemon(self) -> None:
        await self.random.choice([self.libvirtd.kill, self.libvirtd.terminate])()
        await self.libvirtd.start()
        self.visitor.note("libvirtd was restarted")

    async def restart(self) -> None:
        await self.domain.destroy()
        if self.random.random() < 0.7:
            await self.foreigner.act_offline()
        await self.domain.start()
        self.visitor.note("the domain was destroyed and started")

    async def save(self) -> None:
        await self.visitor.virsh("managedsave", self.domain.name)
        await self.domain.start()
        self.visitor.note("the domain was saved and restored")


@pytest.fixture
async def visitor(
    domain: StartDomain, lab_directory: Path
) -> AsyncIterator[DomainVisitor]:
    disks = (
        DiskSpec("vda", size_bytes=8 * MiB, chain_depth=3),
        DiskSpec("vdb", size_bytes=4 * MiB),
    )
    found = DomainVisitor(await domain(*disks), lab_directory)
    yield found
    await found.shell.stop()


@pytest.mark.libvirt
@pytest.mark.timeout(900)
async def test_no_day_of_a_domain_costs_a_point(visitor: DomainVisitor) -> None:
    life = LibvirtLife(visitor, SEED)
    await life.live(STEPS)
    await visitor.verify_all()

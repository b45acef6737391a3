"""A limit that libvirt keeps waiting does not keep a frozen guest waiting."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.backends.libvirt import backups
from vmsnap_tui.backends.base import InstantTaken
from vmsnap_tui.backends.libvirt import calls
from vmsnap_tui.backends.libvirt.effects import Effects
from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.point import DiskLevel

TAKEN = InstantTaken(1.0, 2.0, "2026-11-20T16:00:00.000Z", True)


class Stalling:
    """As libvirt 11.3: the limit of a running backup waits for the backup's end."""

    def __init__(self) -> None:
        self.limited = asyncio.Event()
        self.over = asyncio.Event()

    async def act(self, function: Callable[..., Any], *values: Any, **how: Any) -> Any:
        if function is calls.begin:
            return TAKEN
        assert function is calls.limit
        self.limited.set()
        await self.over.wait()
        return None


async def test_the_instant_does_not_wait_for_a_limit(tmp_path: Path) -> None:
    session = Stalling()
    locks: dict[str, asyncio.Lock] = {}
    effects = Effects(session, lambda vm: locks.setdefault(vm, asyncio.Lock()))
    part = DiskInstant(
        target="vda",
        file=str(tmp_path / "disk-vda.qcow2"),
        target_node="vmsnap-t-0",
        level=DiskLevel.FULL,
        bitmap="vmsnap-p1",
        persistent=True,
        scratch_bitmap="vmsnap-p1-scratch",
        merge=(),
    )
    instant = backups.slow(BackupInstant("0123456789ab", (part,)))
    async with asyncio.timeout(10):
        assert await effects.start_backup("uuid", instant) == TAKEN
    assert session.limited.is_set()
    assert not session.over.is_set()
    effects.close()

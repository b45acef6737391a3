"""Backups of a machine that never stops writing: each point is one cut of its writes.

Nothing newer than the instant is in it, and nothing older is missing; on two disks it
is the same cut.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.life.stranger import GOOD, Stranger
from tests.life.writers import (
    DISK_BYTES,
    Scribe,
    check_one_cut,
    guest_writes,
    page_numbers,
    restored,
)
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.machines import Machine


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

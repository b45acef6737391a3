"""A repository that is too small or read-only: what can be done is done, what cannot
is refused or taken back, and the guest goes on."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, ended, until_told
from tests.conftest import StartMachine
from tests.life.small_place import fill, mounting, small
from tests.life.stranger import GOOD, Stranger
from tests.life.writers import check_one_cut, guest_writes, page_numbers, restored
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import KiB, MiB

__all__ = ["small"]


@pytest.fixture
async def stranger(
    machine: StartMachine, lab_directory: Path, small: Path
) -> AsyncIterator[Stranger]:
    disks = [DiskSpec(target, size_bytes=4 * MiB) for target in ("vda", "vdb")]
    found = Stranger(await machine(*disks), lab_directory)
    yield found
    await found.shell.stop()


async def filled_in_flight(
    stranger: Stranger, place: Path, but_bytes: int, *words: str
) -> tuple[Ended, Path]:
    """A throttled backup whose target fills up when its jobs run."""
    process = await stranger.begin("backup", "web-01", "--json", *words)
    await until_told(process, '"done_bytes"')
    filler = fill(place, but_bytes)
    return await ended(process), filler


@pytest.mark.qemu
async def test_too_little_room_is_refused_with_both_numbers(
    stranger: Stranger, small: Path
) -> None:
    stranger.shell.repository = small / "repository"
    await stranger.machine.qemu_io("vda", "write -P 7 0 4M")
    filler = fill(small, 2 * MiB)
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    done = await stranger.command("backup", "web-01", "--json")
    assert done.code == 4
    (error,) = done.told_of("error")
    assert f"free are {free} (" in error["evidence"]
    needed = int(error["evidence"].partition("it may take ")[2].split()[0])
    assert needed > 4 * MiB
    assert not stranger.shell.repository.exists(), "nothing was changed"
    assert await stranger.rig.leftovers() == []
    filler.unlink()
    await stranger.backup()
    await stranger.verify_all()


@pytest.mark.qemu
async def test_filled_up_in_flight_is_taken_back_and_tracking_stays(
    stranger: Stranger, small: Path
) -> None:
    stranger.shell.repository = small / "repository"
    for target in ("vda", "vdb"):
        await stranger.machine.qemu_io(target, "write -P 7 0 1M")
    await stranger.backup()
    for target in ("vda", "vdb"):
        await stranger.machine.qemu_io(target, "write -P 8 1M 2M")
    before = await stranger.stored()
    done, filler = await filled_in_flight(stranger, small, 256 * KiB, "--speed", "512K")
    assert done.code == 5
    (error,) = done.told_of("error")
    assert "no space left" in error["cause"]
    said = f"{error['cause']} {error['evidence']}"
    assert "needed" in said
    assert "bytes free" in said
    assert await stranger.rig.leftovers() == []
    assert not any((small / "repository" / "tmp").iterdir())
    assert await stranger.stored() == before
    stranger.shell.repository = stranger.directory / "large"
    elsewhere = await stranger.backup()
    assert await stranger.restored(elsewhere["point"]) == await stranger.contents()
    filler.unlink()
    stranger.shell.repository = small / "repository"
    again = await stranger.backup()
    assert again["level"] == "incremental", "its record of changes was kept"
    assert await stranger.restored(again["point"]) == await stranger.contents()


@pytest.mark.guest
async def test_a_guest_that_stopped_for_it_goes_on(
    writing_guest: Stranger, small: Path, qemu_version: tuple[int, int, int]
) -> None:
    """What it overwrites has to be copied first, and there is no room for it."""
    stranger, lab = writing_guest, writing_guest.machine.lab
    stranger.shell.repository = small / "repository"
    stranger.rig.machine = stranger.machine
    lab.events.clear()
    done, filler = await filled_in_flight(stranger, small, 256 * KiB, "--speed", "64K")
    assert done.code == 5, done
    status = await lab.execute("query-status")
    assert status["status"] == "running"
    stopped = any(event["event"] == "STOP" for event in lab.events)
    assert stopped == (qemu_version < (11, 0, 0)), "QEMU 11 breaks the copy instead"
    assert await stranger.rig.leftovers() == []
    assert not any((small / "repository" / "tmp").iterdir())
    written = await lab.execute("query-blockstats")
    filler.unlink()
    after = await stranger.command("backup", "web-01", "--json")
    assert after.code in GOOD, after
    found = await restored(stranger, after.document["point"], page_numbers)
    newest = max(number for pages in found.values() for number in pages)
    check_one_cut(guest_writes(newest), found)
    operations = [
        [disk["stats"]["wr_operations"] for disk in stats]
        for stats in (written, await lab.execute("query-blockstats"))
    ]
    assert operations[0] < operations[1], "it writes on"


@pytest.fixture
async def many_disks(
    machine: StartMachine, lab_directory: Path
) -> AsyncIterator[Stranger]:
    """So many that a journal outgrows the page that it has already."""
    disks = [DiskSpec(f"vd{letter}", size_bytes=4 * MiB) for letter in "abcdefghijklmn"]
    found = Stranger(await machine(*disks), lab_directory)
    yield found
    await found.shell.stop()


@pytest.mark.qemu
async def test_a_journal_that_cannot_begin_changes_nothing(
    stranger: Stranger, small: Path
) -> None:
    stranger.shell.state = small / "state"
    await stranger.backup()
    filler = fill(small)
    done = await stranger.command("backup", "web-01", "--json")
    assert done.code == 4, done
    (error,) = done.told_of("error")
    assert "No space left" in error["cause"] + error["evidence"]
    filler.unlink()
    await stranger.verify_all()


@pytest.mark.qemu
async def test_a_journal_that_finds_no_room_is_told_and_recovered(
    many_disks: Stranger, small: Path
) -> None:
    """Nothing more is begun that cannot be written down."""
    stranger = many_disks
    stranger.shell.state = small / "state"
    await stranger.machine.qemu_io("vda", "write -P 7 0 1M")
    await stranger.backup()
    await stranger.machine.qemu_io("vda", "write -P 8 1M 3M")
    then = await stranger.contents()
    done, filler = await filled_in_flight(stranger, small, 0, "--speed", "512K")
    assert done.code == 6, done
    (error,) = done.told_of("error")
    assert "No space left" in error["cause"] + error["evidence"]
    assert "recover" in error["remedy"]
    refused = await stranger.command("backup", "web-01", "--json")
    assert refused.code in {4, 6}, refused
    filler.unlink()
    await stranger.recover()
    await stranger.take_note_of_new(then)
    await stranger.machine.qemu_io("vda", "write -P 9 2M 1M")
    await stranger.backup()
    await stranger.verify_all()


@pytest.mark.qemu
async def test_a_restore_that_finds_no_room_leaves_nothing(
    stranger: Stranger, small: Path
) -> None:
    await stranger.machine.qemu_io("vda", "write -P 7 0 4M")
    await stranger.machine.qemu_io("vdb", "write -P 7 0 4M")
    point = (await stranger.backup())["point"]
    filler = fill(small, 5 * MiB)
    restore = ["restore", point, "--to", str(small / "out"), "--format", "raw"]
    done = await stranger.shell.run(*restore, "--json")
    assert done.code in {4, 5}, done
    (error,) = done.told_of("error")
    assert "bytes" in error["evidence"] or "No space left" in error["cause"]
    assert not (small / "out").exists() or not list((small / "out").iterdir())
    filler.unlink()
    again = await stranger.shell.run(*restore, "--json")
    assert again.code in GOOD, again


@pytest.mark.qemu
async def test_points_on_a_read_only_mount_are_listed_verified_and_restored(
    stranger: Stranger, small: Path, lab_directory: Path
) -> None:
    stranger.shell.repository = small / "repository"
    await stranger.machine.qemu_io("vda", "write -P 7 0 1M")
    done = await stranger.command("backup", "web-01", "--json")
    assert done.code == 0, done.err
    point = done.document["point"]
    remount = [*mounting(), "mount", "-o", "remount,ro", str(small)]
    subprocess.run(remount, check=True)
    for words in (
        ("points", "--json"),
        ("verify", point, "--json"),
        ("restore", point, "--to", str(lab_directory / "out"), "--json"),
    ):
        said = await stranger.command(*words)
        assert said.code == 0, said.err
    refused = await stranger.command("backup", "web-01", "--json")
    assert refused.code == 4, refused.err
    assert "read-only" in refused.err

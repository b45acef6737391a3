"""Other tools on the same domain: theirs keep working beside ours, and ours beside
theirs; a host that is short of rights or of room."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.conftest import ended, stop_in_mid_copy, until_told
from tests.conftest import StartDomain, StartLibvirtd
from tests.engine.instants import Instants, points_of
from tests.engine.rig import run, sha256
from tests.life.domains import OURS, DomainVisitor
from tests.life.other_backup import Mode, OtherBackup
from tests.life.small_place import fill, small
from tests.life.stranger import GOOD
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import KiB, MiB

__all__ = ["small"]

pytestmark = pytest.mark.libvirt

LARGE_BYTES = 96 * MiB
"""So much that a job still runs when its speed is limited, which libvirt can only once
it does."""

Meet = Callable[..., Awaitable[DomainVisitor]]


@pytest.fixture
async def meet(domain: StartDomain, lab_directory: Path) -> AsyncIterator[Meet]:
    met: list[DomainVisitor] = []

    async def start(size_bytes: int = 8 * MiB, **how: object) -> DomainVisitor:
        disks = [DiskSpec(target, size_bytes=size_bytes) for target in ("vda", "vdb")]
        met.append(DomainVisitor(await domain(*disks, **how), lab_directory))
        return met[-1]

    yield start
    for visitor in met:
        await visitor.shell.stop()


@pytest.fixture
def instants(monkeypatch: pytest.MonkeyPatch) -> Instants:
    return Instants(monkeypatch)


@pytest.fixture
async def visitor(meet: Meet) -> DomainVisitor:
    return await meet()


async def write(visitor: DomainVisitor, number: int) -> None:
    for target in visitor.machine.disks:
        command = f"write -P {number} {number * 100}k 200k"
        await visitor.machine.qemu_io(target, command)


@pytest.mark.parametrize(
    ("style", "mode"), [("virtnbdbackup.", "pull"), ("one-7-", "push")]
)
async def test_two_tools_keep_their_own_records(
    visitor: DomainVisitor, style: str, mode: Mode
) -> None:
    """As virtnbdbackup (pull) and OpenNebula (push, checkpoints one-VM-N) do it."""
    other, both = OtherBackup(visitor, style), ["vda", "vdb"]
    await write(visitor, 1)
    theirs = [await other.full(mode, both)]
    for number in range(2, 6):
        await write(visitor, number)
        done = await visitor.backup()
        assert done["level"] == ("incremental" if number > 2 else "full")
        await write(visitor, number + 10)
        theirs.append(await other.incremental(mode, theirs[-1]))
        if number == 4:
            oldest = theirs.pop(0)
            await visitor.virsh("checkpoint-delete", "web-01", oldest.checkpoint)
    names = await visitor.rig.checkpoints()
    assert {each.checkpoint for each in theirs} < names
    assert len([name for name in names if name.startswith(OURS)]) == 1
    for each in theirs:
        await other.incremental(mode, each)
    await visitor.verify_all()


async def test_a_pull_backup_that_is_open_is_in_the_way_and_goes_on(
    visitor: DomainVisitor,
) -> None:
    """Their client may be dead: what ends it is said, and done by no one but them."""
    other = OtherBackup(visitor)
    await write(visitor, 1)
    await visitor.backup()
    socket = await other.begin_pull(["vda"], name="virtnbdbackup.0")
    then = await visitor.contents()
    await write(visitor, 2)
    async with asyncio.timeout(15):
        done = await visitor.command("backup", "web-01", "--json")
    assert done.code == 4, done
    (error,) = done.told_of("error")
    assert "backup" in error["cause"]
    assert "jobs" in error["remedy"]
    out = visitor.directory / "theirs.raw"
    await other.read(socket, "vda", out, None)
    assert sha256(out) == then["vda"], "theirs went on"
    await other.end_pull()
    assert (await visitor.backup())["level"] == "incremental"
    assert "virtnbdbackup.0" in await visitor.rig.checkpoints()
    await visitor.verify_all()


async def test_a_job_of_somebody_on_one_disk_is_in_the_way_and_goes_on(
    visitor: DomainVisitor,
) -> None:
    await write(visitor, 1)
    await visitor.backup()
    copy = visitor.machine.directory / "theirs"
    words = ["--dest", str(copy), "--format", "qcow2", "--transient-job"]
    await visitor.virsh("blockcopy", "web-01", "vda", *words)
    async with asyncio.timeout(15):
        done = await visitor.command("backup", "web-01", "--json")
    assert done.code == 4, done
    (error,) = done.told_of("error")
    assert "vda" in error["cause"] + error["evidence"]
    assert (await visitor.machine.xml()).find("devices/disk/mirror") is not None
    await visitor.virsh("blockjob", "web-01", "vda", "--abort")
    assert (await visitor.backup())["level"] == "incremental"
    await visitor.verify_all()


async def test_theirs_waits_for_ours_and_both_are_right(meet: Meet) -> None:
    """libvirt lets a second backup wait for the first, up to half a minute."""
    visitor = await meet(LARGE_BYTES)
    other = OtherBackup(visitor)
    await visitor.machine.qemu_io("vda", f"write -P 7 0 {LARGE_BYTES}")
    now = await visitor.contents()
    ours = await visitor.begin("backup", "web-01", "--json", "--speed", "24M")
    await until_told(ours, '"done_bytes"')
    theirs = await other.full("push", ["vda", "vdb"])
    done = await ended(ours)
    assert done.code in GOOD, done
    visitor.points[done.document["point"]] = now
    for target, copy in theirs.copies.items():
        assert sha256(copy) == now[target]
    await write(visitor, 8)
    assert (await visitor.backup())["level"] == "incremental"
    await other.incremental("push", theirs)
    await visitor.verify_all()


async def test_checkpoints_of_others_stay_whatever_they_are_called(
    visitor: DomainVisitor,
) -> None:
    await write(visitor, 1)
    await visitor.backup()
    (ours,) = await visitor.rig.checkpoints()
    prefix = ours.removesuffix(next(iter(visitor.points)))
    theirs = {"libvirt-1", "vmsnap-", "vmsnap-00000000-x", f"x{ours}", ours.upper()}
    theirs |= {"-", "x" * 200}
    for name in sorted(theirs):
        xml = visitor.directory / "theirs.xml"
        xml.write_text(f"<domaincheckpoint><name>{name}</name></domaincheckpoint>")
        await visitor.virsh("checkpoint-create", "web-01", str(xml))
    await write(visitor, 2)
    assert (await visitor.backup())["level"] == "incremental"
    assert (await visitor.backup("--level", "full"))["level"] == "full"
    have = await visitor.rig.checkpoints()
    assert theirs < have
    assert [name.startswith(prefix) for name in have].count(True) == 1
    visitor.rig.forgiven |= theirs
    await visitor.verify_all()


@pytest.mark.parametrize("how", ["checkpoint-delete", "checkpoint-delete --metadata"])
async def test_a_checkpoint_of_ours_that_somebody_deletes_costs_no_point(
    visitor: DomainVisitor, how: str
) -> None:
    await write(visitor, 1)
    await visitor.backup()
    (ours,) = await visitor.rig.checkpoints()
    verb, *options = how.split()
    await visitor.virsh(verb, "web-01", ours, *options)
    visitor.rig.forgiven.add(ours)
    await write(visitor, 2)
    after = await visitor.backup()
    if not options:
        assert after["level"] == "full"
        assert all("checkpoint" in disk["reason"] for disk in after["disks"])
    await write(visitor, 3)
    assert (await visitor.backup())["level"] == "incremental"
    visitor.rig.forgiven.clear()
    await visitor.verify_all()


async def test_a_killed_run_is_finished_by_the_next_one(meet: Meet) -> None:
    """Its job still copies and nobody says `recover`."""
    visitor = await meet(LARGE_BYTES)
    await visitor.machine.qemu_io("vda", f"write -P 7 0 {LARGE_BYTES}")
    then = await visitor.contents()
    process = await visitor.begin("backup", "web-01", "--json", "--speed", "8M")
    await stop_in_mid_copy(process, signal.SIGKILL)
    await process.wait()
    await visitor.machine.qemu_io("vda", "write -P 8 1M 1M")
    last = await visitor.backup()
    assert last["level"] == "incremental"
    await visitor.take_note_of_new(then)
    assert len(visitor.points) == 2
    await visitor.verify_all()


async def test_merged_by_qemu_img_while_it_was_off_is_no_gap(
    domain: StartDomain, lab_directory: Path
) -> None:
    """The image that recorded the first writes goes, and the chain looks whole."""
    machine = await domain(DiskSpec("vda", size_bytes=8 * MiB, chain_depth=2))
    visitor = DomainVisitor(machine, lab_directory)
    await visitor.backup()
    base, middle = machine.chain("vda")
    await machine.qemu_io("vda", "write -P 7 1M 1M")
    top = machine.directory / "vda.top"
    spec = f"vda,file={top}"
    create = ["snapshot-create-as", "web-01", "s", "--disk-only", "--diskspec", spec]
    await visitor.virsh(*create)
    await machine.qemu_io("vda", "write -P 8 3M 1M")
    await machine.destroy()
    await run("qemu-img", "commit", "-q", "-f", "qcow2", str(middle))
    await run(
        "qemu-img",
        "rebase",
        "-u",
        "-f",
        "qcow2",
        "-b",
        str(base),
        "-F",
        "qcow2",
        str(top),
    )
    middle.unlink()
    await visitor.virsh("snapshot-delete", "web-01", "s", "--metadata")
    await visitor.look_anew_at_the_chain()
    await machine.start()
    await visitor.backup()
    await visitor.verify_all()


async def test_merged_by_libvirt_while_it_ran_is_an_increment(
    domain: StartDomain, lab_directory: Path
) -> None:
    """libvirt carries its records along, whichever image goes."""
    # more than one QEMU of the same UUID would not be told apart
    disk = DiskSpec("vda", size_bytes=8 * MiB, chain_depth=2)
    machine = await domain(disk, name=f"web-{uuid4().hex[:8]}")
    visitor = DomainVisitor(machine, lab_directory)
    # libvirt tells the second of a checkpoint: it must not be that of the start
    started = int(time.time())
    while int(time.time()) == started:
        await asyncio.sleep(0)
    await visitor.backup()
    base, below = machine.chain("vda")
    new, wait = machine.directory / "vda.new", ("--wait",)
    copy = ("--dest", str(new), "--format", "qcow2", "--transient-job", "--pivot")
    merges = [
        ("blockcommit", "vda", *wait, "--top", str(below), "--base", str(base)),
        ("blockcommit", "vda", *wait, "--active", "--pivot"),
        ("blockpull", "vda", *wait, "--base", str(base)),
        ("snapshot-delete", "s4"),
        ("blockcopy", "vda", *wait, *copy),
        ("blockpull", "vda", *wait),
    ]
    for number, (verb, *words) in enumerate(merges, start=1):
        await machine.qemu_io("vda", f"write -P {number} {number}M 512k")
        top = machine.directory / f"vda.s{number}.new"
        create = ["snapshot-create-as", machine.name, f"s{number}", "--disk-only"]
        await visitor.virsh(*create, "--diskspec", f"vda,file={top}")
        await machine.qemu_io("vda", f"write -P {number + 10} {number + 1}M 256k")
        await visitor.virsh(verb, machine.name, *words)
        await machine.qemu_io("vda", f"write -P {number + 20} {number - 1}M 128k")
        done = await visitor.backup()
        assert done["level"] == "incremental", (verb, words, done["disks"])
    await visitor.verify_all()


# --- another user, other rights, no room ----------------------------------------------


async def test_qemu_as_another_user_gets_in_and_leaves_no_trace(
    meet: Meet, libvirtd: StartLibvirtd
) -> None:
    visitor = await meet(daemon=await libvirtd(qemu_user="libvirt-qemu"))
    for number in range(3):
        await write(visitor, number + 1)
        done = await visitor.backup()
        assert done["level"] == ("incremental" if number else "full")
    await visitor.verify_all()


@pytest.mark.parametrize("words", [(), ("--quiesce",)])
async def test_a_repository_that_qemu_cannot_reach_is_refused_at_once(
    meet: Meet, libvirtd: StartLibvirtd, words: tuple[str, ...]
) -> None:
    visitor = await meet(daemon=await libvirtd(qemu_user="libvirt-qemu"))
    private = visitor.directory / "private"
    private.mkdir(mode=0o700)
    visitor.shell.repository = private / "repository"
    done = await visitor.command("backup", "web-01", "--json", *words)
    assert done.code in {4, 5}, done
    assert not list(visitor.shell.state.rglob("*.guard")), "nothing was frozen"
    (error,) = done.told_of("error")
    if not words:
        said = error["cause"] + error["evidence"] + error["remedy"]
        assert str(private) in said
        assert "libvirt-qemu" in said
    assert not list(private.rglob("disk-*"))
    assert private.stat().st_mode & 0o777 == 0o700
    assert os.listxattr(private) == []
    assert await visitor.rig.leftovers() == []


async def test_too_little_room_is_refused_with_both_numbers(
    small: Path, visitor: DomainVisitor
) -> None:
    visitor.shell.repository = small / "repository"
    await visitor.machine.qemu_io("vda", "write -P 7 0 4M")
    filler = fill(small, 2 * MiB)
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    done = await visitor.command("backup", "web-01", "--json")
    assert done.code == 4, done
    assert f"free are {free} (" in done.told_of("error")[0]["evidence"]
    assert not visitor.shell.repository.exists(), "nothing was changed"
    filler.unlink()
    await visitor.backup()
    await visitor.verify_all()


@pytest.mark.parametrize("qemu_user", ["root", "libvirt-qemu"])
async def test_filled_up_in_flight_is_taken_back_and_tracking_stays(
    small: Path,
    meet: Meet,
    libvirtd: StartLibvirtd,
    instants: Instants,
    qemu_user: str,
) -> None:
    """libvirt itself keeps the new checkpoint of a backup that failed."""
    visitor = await meet(daemon=await libvirtd(qemu_user=qemu_user))
    small.chmod(0o711)
    oracle = visitor.rig
    oracle.repository = small / "repository"
    await write(visitor, 1)
    first = await oracle.backup()
    await visitor.machine.qemu_io("vda", "write -P 8 1M 4M")
    records = await oracle.checkpoints()

    async def fill_up(step: str) -> None:
        if step == "StartBackup":
            fill(small, 256 * KiB)

    instants.hook = fill_up
    failed = await oracle.backup()
    instants.hook = None
    assert failed.outcome is Outcome.UNDONE, failed
    assert "no space left" in failed.error.lower()
    assert await oracle.leftovers() == []
    assert await oracle.checkpoints() == records
    assert await visitor.machine.state() == "paused"
    (small / "filler").unlink()
    after = await oracle.backup()
    assert after.level == "incremental", "its record of changes was kept"
    assert await oracle.restore(after.point) == await visitor.contents()
    assert await points_of(oracle) == [first.point, after.point]

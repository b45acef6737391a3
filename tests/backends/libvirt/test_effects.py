import asyncio
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.backends.libvirt import backups
from tests.backends.libvirt.backups import BLOCK, an_instant, begun, ended, whole
from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.backends.base import Link, LinkChanged
from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
from vmsnap_tui.errors import ConnectionLost, StepFailed
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain

pytestmark = pytest.mark.libvirt

SIZE_MIB = 1024
"""Of a disk that is not copied before its speed is limited."""


@pytest.fixture
async def web(domain: StartDomain) -> Domain:
    return await domain(DiskSpec("vda"), DiskSpec("vdb"))


@pytest.fixture
async def big(domain: StartDomain, lab_directory: Path) -> Domain:
    path = await backups.a_full_image(lab_directory, SIZE_MIB)
    made = await domain(DiskSpec("vda", path=path, size_bytes=SIZE_MIB << 20))
    await made.qemu_io("vda", f"write -P 1 {SIZE_MIB - 1}M 1M")
    return made


@pytest.fixture
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[LibvirtBackend]:
    name = "big" if "big" in request.fixturenames else "web"
    async with backups.backend_of(request.getfixturevalue(name)) as backend:
        yield backend


async def test_checkpoints_of_other_tools_stay_and_keep_recording(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    create = ("checkpoint-create-as", web.name)
    await web.libvirtd.virsh(*create, "theirs", "--diskspec", "vda")
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1", "vda", "vdb"))
    await web.qemu_io("vda", f"write -P 2 0 {BLOCK}")
    await web.libvirtd.virsh(*create, "later", "--diskspec", "vda")
    second = await an_instant(lab_directory, "p2", "vda", "vdb", since="p1")
    await whole(opened, web.uuid, second)
    third = await an_instant(lab_directory, "p3", "vda", "vdb", since="p2")
    await begun(opened, web.uuid, third)
    await backups.taken_back(opened, web.uuid, third)
    old = tuple((target, "vmsnap-p1") for target in ("vda", "vdb"))
    assert await opened.drop_bitmaps(web.uuid, old) == ()
    vm = await opened.look(web.uuid)
    assert [c.name for c in vm.checkpoints or ()] == ["theirs", "later", "vmsnap-p2"]
    for name in ("theirs", "later", "vmsnap-p2"):
        xml = await web.libvirtd.virsh("checkpoint-dumpxml", web.name, name, "--size")
        assert "size='" in xml, "all its bitmaps are sound"


async def test_a_target_without_room_is_told_and_leaves_no_checkpoint(
    small: Path, web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await web.qemu_io("vda", f"write -P 1 0 {BLOCK}")
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1"))
    await web.qemu_io("vda", "write -P 2 1M 16M")
    failing = await an_instant(small / "repository", "p2", since="p1")
    await begun(opened, web.uuid, failing)
    with pytest.raises(StepFailed, match="no space left") as raised:
        await opened.await_jobs(web.uuid, failing, backups.nothing)
    assert "p2" in raised.value.evidence
    await backups.taken_back(opened, web.uuid, failing)
    assert backups.records(await opened.look(web.uuid)) == {"vmsnap-p1": True}
    assert await backups.bitmaps(web) == {"vmsnap-p1"}
    assert await backups.marks(web) == []
    again = await an_instant(lab_directory, "p3", since="p1")
    await whole(opened, web.uuid, again)
    assert backups.allocated(again.disks[0].file) == set(range(16, 272))


@pytest.fixture
def small(lab_directory: Path) -> Iterator[Path]:
    """A file system of 8 MiB that is there for this test alone, and before its daemon:
    what is mounted later is not seen in there."""
    place = lab_directory / "small"
    place.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "test", str(place)]
    subprocess.run(words, check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.guest
async def test_a_guest_that_stopped_for_a_full_target_goes_on(
    small: Path, guest_domain: StartDomain, lab_directory: Path
) -> None:
    """What it overwrites has to be copied first, and there is no room for it."""
    disk = DiskSpec("vda", size_bytes=256 << 20, files_mib=128)
    web = await guest_domain(disk)
    async with backups.backend_of(web) as backend:
        first = await an_instant(small / "repository", "p1", size_mib=256)
        instant = backups.slow(first)
        await backend.attach_targets(web.uuid, instant)
        taken = await backend.start_backup(web.uuid, instant)
        assert taken.was_running
        backups.fill(small)
        with pytest.raises(StepFailed, match="no space left|paused by an I/O error"):
            await backend.await_jobs(web.uuid, instant, backups.nothing)
        await backend.abort_backup(web.uuid, instant, was_running=True)
        await backend.drop_targets(web.uuid, instant)
        assert await web.state() == "running"
        assert backups.records(await backend.look(web.uuid)) == {}
        again = await an_instant(lab_directory, "p2", size_mib=256)
        await whole(backend, web.uuid, again)


async def test_another_tools_backup_is_in_the_way_and_told_at_once(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await their_pull(web, lab_directory)
    instant = await an_instant(lab_directory, "p1")
    async with asyncio.timeout(5):
        with pytest.raises(StepFailed, match="another job runs"):
            await opened.attach_targets(web.uuid, instant)
    await backups.taken_back(opened, web.uuid, instant)
    theirs = await web.libvirtd.virsh("backup-dumpxml", web.name)
    assert "<disk name='vda' backup='yes'" in theirs, "theirs goes on"


async def test_it_was_cancelled_and_another_tools_backup_was_well(
    big: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    """Whoever looks only now finds a backup that completed."""
    first = await an_instant(lab_directory, "p1", size_mib=SIZE_MIB)
    instant = backups.slow(first)
    await begun(opened, big.uuid, instant)
    await big.libvirtd.virsh("domjobabort", big.name)
    await backups.until_idle(big)
    await their_backup(big, lab_directory)
    with pytest.raises(StepFailed, match="cancel"):
        await opened.await_jobs(big.uuid, instant, backups.nothing)
    async with backups.backend_of(big) as another:
        with pytest.raises(StepFailed, match="nobody can tell"):
            await another.await_jobs(big.uuid, instant, backups.nothing)
        await backups.taken_back(another, big.uuid, instant)
    assert backups.records(await opened.look(big.uuid)) == {}


async def test_another_tools_backup_after_ours_hides_nothing(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await web.qemu_io("vda", f"write -P 1 0 {BLOCK}")
    instant = await an_instant(lab_directory, "p1")
    await begun(opened, web.uuid, instant)
    await backups.until_idle(web)
    await their_backup(web, lab_directory)
    await ended(opened, web.uuid, instant)
    assert backups.byte_at(instant.disks[0].file, 0) == 1


async def test_the_daemon_is_restarted_while_a_backup_runs(
    big: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    instant = backups.slow(await an_instant(lab_directory, "p1", size_mib=SIZE_MIB))
    await begun(opened, big.uuid, instant)
    progress = backups.Progress()
    waiting = asyncio.create_task(opened.await_jobs(big.uuid, instant, progress))
    await progress.looks(1)
    links = opened.events()
    await big.libvirtd.kill()
    with pytest.raises(ConnectionLost):
        await waiting
    await big.libvirtd.start()
    async for event in links:
        if isinstance(event, LinkChanged) and event.link is Link.UP:
            break
    assert await opened.backup_started(big.uuid, instant)
    progress = backups.Progress()
    waiting = asyncio.create_task(opened.await_jobs(big.uuid, instant, progress))
    await progress.looks(2)
    await opened.set_job_speed(big.uuid, instant.job_ids[0], 0)
    await waiting
    await ended(opened, big.uuid, instant)
    assert backups.byte_at(instant.disks[0].file, 16 * (SIZE_MIB - 1)) == 1


async def test_another_run_is_no_proof_even_if_it_took_the_mark_along(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    instant = await an_instant(lab_directory, "p1")
    await begun(opened, web.uuid, instant)
    await opened.await_jobs(web.uuid, instant, backups.nothing)
    assert not await opened.is_gone(web.uuid)
    await web.libvirtd.virsh("managedsave", web.name)
    assert await opened.is_gone(web.uuid)
    await web.start()
    assert await backups.marks(web) != []
    assert await opened.is_gone(web.uuid)
    assert not await opened.backup_started(web.uuid, instant)
    with pytest.raises(StepFailed, match="not the one any more"):
        await opened.detach_targets(web.uuid, instant)
    await backups.taken_back(opened, web.uuid, instant)
    assert await backups.marks(web) == []


async def test_an_undefined_machine_is_gone(
    web: Domain, opened: LibvirtBackend
) -> None:
    await web.destroy()
    assert await opened.is_gone(web.uuid)
    await web.undefine()
    assert await opened.is_gone(web.uuid)


async def test_a_machine_that_cannot_be_asked_is_not_gone(
    web: Domain, opened: LibvirtBackend
) -> None:
    await web.libvirtd.kill()
    assert not await opened.is_gone(web.uuid)


async def test_checkpoint_goes_with_the_last_of_its_disks(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1", "vda", "vdb"))
    assert await opened.drop_bitmaps(web.uuid, (("vda", "vmsnap-p1"),)) == ()
    assert await backups.bitmaps(web) == {"vmsnap-p1"}
    both = (("vda[2]", "vmsnap-p1"), ("vdb", "vmsnap-p1"))
    assert await opened.drop_bitmaps(web.uuid, both) == ()
    assert await backups.bitmaps(web) == set()


async def test_bitmap_that_libvirt_does_not_know_is_removed(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1", "vda", "vdb"))
    forget = ("checkpoint-delete", web.name, "vmsnap-p1", "--metadata")
    await web.libvirtd.virsh(*forget)
    assert await opened.drop_bitmaps(web.uuid, (("vda", "vmsnap-p1"),)) == ()
    assert await backups.bitmaps(web) == set()
    assert await backups.bitmaps(web, "vdb") == {"vmsnap-p1"}
    assert await opened.drop_bitmaps(web.uuid, (("vda", "vmsnap-p1"),)) == ()


async def test_checkpoint_that_lost_a_bitmap_goes_with_the_others(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1", "vda", "vdb"))
    nodes = await web.execute("query-block")
    [node] = [
        block["inserted"]["node-name"]
        for block in nodes
        if block.get("inserted", {}).get("image", {}).get("filename")
        == str(web.active("vda"))
    ]
    await web.execute("block-dirty-bitmap-remove", node=node, name="vmsnap-p1")
    both = (("vda", "vmsnap-p1"), ("vdb", "vmsnap-p1"))
    assert await opened.drop_bitmaps(web.uuid, both) == ()
    assert await backups.bitmaps(web, "vdb") == set()
    assert await web.libvirtd.virsh("checkpoint-list", web.name, "--name") == ""


async def test_dropping_waits_for_no_job_and_says_so(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    """A checkpoint is deleted by a look at all of QEMU's graph, which another's job can
    make deadly."""
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1"))
    await their_pull(web, lab_directory)
    (kept,) = await opened.drop_bitmaps(web.uuid, (("vda", "vmsnap-p1"),))
    assert "vmsnap-p1 stays" in kept
    await web.libvirtd.virsh("domjobabort", web.name)
    await backups.until_idle(web)
    assert await opened.drop_bitmaps(web.uuid, (("vda", "vmsnap-p1"),)) == ()


async def test_forgotten_checkpoint_is_adopted_and_built_upon(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    await whole(opened, web.uuid, await an_instant(lab_directory, "p1", "vda", "vdb"))
    forget = ("checkpoint-delete", web.name, "vmsnap-p1", "--metadata")
    await web.libvirtd.virsh(*forget)
    for _ in range(2):
        await opened.adopt_checkpoint(web.uuid, "vmsnap-p1", ("vda",))
    vm = await opened.look(web.uuid)
    assert backups.records(vm) == {"vmsnap-p1": True}
    assert backups.records(vm, "vdb") == {}
    await web.qemu_io("vda", f"write -P 9 0 {BLOCK}")
    instant = await an_instant(lab_directory, "p2", since="p1")
    await whole(opened, web.uuid, instant)
    assert backups.allocated(instant.disks[0].file) == {0}


async def test_checkpoint_without_its_bitmap_is_not_adopted(
    web: Domain, opened: LibvirtBackend
) -> None:
    with pytest.raises(StepFailed, match="tracked"):
        await opened.adopt_checkpoint(web.uuid, "vmsnap-none", ("vda",))
    assert (await opened.look(web.uuid)).checkpoints == ()


async def test_a_start_that_fails_after_the_instant_is_taken_back_whole(
    big: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    """libvirt cannot write the checkpoint down, and forgets it: its jobs run and its
    bitmap stands."""
    place = big.libvirtd.directory / "lib" / "qemu" / "checkpoint" / big.name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way")
    instant = await an_instant(lab_directory, "p1", size_mib=SIZE_MIB)
    await opened.attach_targets(big.uuid, instant)
    with pytest.raises(StepFailed):
        await opened.start_backup(big.uuid, instant)
    place.unlink()
    await backups.taken_back(opened, big.uuid, instant)
    assert await backups.bitmaps(big) == set()
    assert await opened.jobs(big.uuid) == ()
    assert await backups.marks(big) == []
    await whole(
        opened, big.uuid, await an_instant(lab_directory, "p2", size_mib=SIZE_MIB)
    )


async def test_a_name_is_never_markup_nor_an_option(
    domain: StartDomain, lab_directory: Path
) -> None:
    name = "x <b>'\"&amp;$(id)"
    odd = await domain(DiskSpec("vda"), name=name)
    repository = lab_directory / "a,b=\"<c>' & %d"
    async with backups.backend_of(odd) as backend:
        instant = await an_instant(repository, "p1")
        await whole(backend, odd.uuid, instant)
        assert [vm.name for vm in await backend.read()] == [name]


async def test_a_file_whose_name_is_no_text_is_refused(
    web: Domain, opened: LibvirtBackend, lab_directory: Path
) -> None:
    instant = await an_instant(lab_directory / "x\udcff", "p1")
    with pytest.raises(StepFailed, match="cannot be told the name"):
        await opened.attach_targets(web.uuid, instant)


@pytest.mark.parametrize("killed", [False, True])
async def test_files_of_another_users_qemu_end_private_and_ours(
    domain: StartDomain,
    libvirtd: StartLibvirtd,
    lab_directory: Path,
    killed: bool,
) -> None:
    daemon = await libvirtd(qemu_user="nobody")
    web = await domain(DiskSpec("vda"), daemon=daemon)
    await web.qemu_io("vda", f"write -P 7 0 {BLOCK}")
    async with backups.backend_of(web) as backend:
        instant = await an_instant(lab_directory / "repository", "p1")
        file = Path(instant.disks[0].file)
        await begun(backend, web.uuid, instant)
        if killed:
            await web.kill()
            await backups.taken_back(backend, web.uuid, instant)
        else:
            await ended(backend, web.uuid, instant)
            assert backups.byte_at(file, 0) == 7
        found = file.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (
            0o600,
            0,
            0,
        )
        for directory in tuple(file.parents)[:3]:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_directory_that_qemus_user_cannot_pass_is_named_before_anything(
    domain: StartDomain, libvirtd: StartLibvirtd, lab_directory: Path
) -> None:
    daemon = await libvirtd(qemu_user="nobody")
    web = await domain(DiskSpec("vda"), daemon=daemon)
    closed = lab_directory / "closed"
    closed.mkdir(mode=0o700)
    async with backups.backend_of(web) as backend:
        instant = await an_instant(closed / "repository", "p1")
        with pytest.raises(StepFailed, match="cannot reach") as raised:
            await backend.attach_targets(web.uuid, instant)
    assert str(closed) in raised.value.evidence
    assert "setfacl" in raised.value.remedy
    assert await backups.marks(web) == []


async def their_backup(domain: Domain, directory: Path) -> None:
    """What another tool does, with virsh; it is over at once."""
    xml = directory / "theirs.xml"
    xml.write_text(
        "<domainbackup><disks><disk name='vda' backup='yes' type='file'>"
        f"<target file='{directory}/theirs.qcow2'/></disk></disks></domainbackup>"
    )
    await domain.libvirtd.virsh("backup-begin", domain.name, str(xml))
    await backups.until_idle(domain)


async def their_pull(domain: Domain, directory: Path) -> None:
    """One that only ends when it is told to."""
    xml = directory / "theirs.xml"
    xml.write_text(
        "<domainbackup mode='pull'>"
        f"<server transport='unix' socket='{directory}/theirs.sock'/>"
        "<disks><disk name='vda' backup='yes' type='file'>"
        f"<scratch file='{directory}/theirs.qcow2'/></disk></disks></domainbackup>"
    )
    await domain.libvirtd.virsh("backup-begin", domain.name, str(xml))

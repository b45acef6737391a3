import asyncio
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.backends.libvirt import backups
from tests.backends.libvirt.backups import an_instant, backend_of, begun, slow
from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.backends.base import Link, LinkChanged, VmChanged, WireHeard
from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
from vmsnap_tui.errors import NoConnection, StepFailed, UsageError
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.model.limit import Ability

pytestmark = pytest.mark.libvirt


async def test_events_come_as_libvirt_told_them_and_as_changes(
    domain: StartDomain,
) -> None:
    web = await domain(DiskSpec("vda"))
    async with backend_of(web) as backend:
        await backend.read()
        listener = backend.events()
        await web.libvirtd.virsh("resume", web.name)
        heard = []
        async with asyncio.timeout(5):
            async for event in listener:
                heard.append(event)
                if event == VmChanged(web.uuid):
                    break
        wires = [event for event in heard if isinstance(event, WireHeard)]
        assert {event.vm for event in wires} == {web.uuid}
        assert ("lifecycle", "resumed") in {
            (event.name, event.data.get("event")) for event in wires
        }


async def test_a_lost_daemon_is_told_and_come_back_to(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda"))
    async with backend_of(web) as backend:
        listener = backend.events()
        await web.libvirtd.kill()
        links = (e async for e in listener if isinstance(e, LinkChanged))
        assert (await anext(links)).link is Link.DOWN
        with pytest.raises(NoConnection):
            await backend.read()
        await web.libvirtd.start()
        async for event in links:
            if event.link is Link.UP:
                break
        assert [vm.name for vm in await backend.read()] == [web.name]


async def test_a_definition_is_one_that_libvirt_takes_back(
    domain: StartDomain, tmp_path: Path
) -> None:
    web = await domain(DiskSpec("vda"))
    async with backend_of(web) as backend:
        definition = await backend.definition(web.uuid)
    assert ElementTree.fromstring(definition).findtext("uuid") == web.uuid
    file = tmp_path / "config.xml"
    file.write_bytes(definition)
    await web.destroy()
    await web.undefine()
    await web.libvirtd.virsh("define", str(file))


async def test_a_jobs_speed_is_limited_and_it_is_cancelled_by_name(
    domain: StartDomain, lab_directory: Path
) -> None:
    path = await backups.a_full_image(lab_directory, 1024)
    web = await domain(DiskSpec("vda", path=path))
    async with backend_of(web) as backend:
        instant = slow(await an_instant(lab_directory, "p1", size_mib=1024))
        await begun(backend, web.uuid, instant)
        (job,) = await backend.jobs(web.uuid)
        assert job.id in (*instant.job_ids, "libvirt-backup-vda")
        await backend.set_job_speed(web.uuid, job.id, 12345)
        (job,) = await backend.jobs(web.uuid)
        assert job.speed_bytes_per_s == 12345
        for verb in (backend.pause_job, backend.resume_job):
            with pytest.raises(StepFailed, match="no call to pause"):
                await verb(web.uuid, job.id)
        await backend.cancel_job(web.uuid, job.id)
        await backups.until_idle(web)
        assert await backend.jobs(web.uuid) == ()
        await backups.taken_back(backend, web.uuid, instant)


async def test_a_copy_of_another_tools_is_cancelled_by_name(
    domain: StartDomain, lab_directory: Path
) -> None:
    web = await domain(DiskSpec("vda"))
    async with backend_of(web) as backend:
        copy = ("blockcopy", web.name, "vda", str(lab_directory / "copy.qcow2"))
        await web.libvirtd.virsh(*copy, "--transient-job")
        (job,) = await backend.jobs(web.uuid)
        await backend.cancel_job(web.uuid, job.id)
        async with asyncio.timeout(10):
            while await backend.jobs(web.uuid):
                pass


async def test_limits_tell_what_this_connection_cannot_do(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda"), off=True)
    async with backend_of(web) as backend:
        (vm,) = await backend.read()
        assert vm.limit(Ability.PAUSE_JOB) is not None
        assert vm.limit(Ability.COMPRESS) is not None
        off = vm.limit(Ability.BACKUP)
        assert off is not None
        assert "while it runs" in off.reason
        await web.start()
        vm = await backend.look(web.uuid)
        assert vm.limit(Ability.BACKUP) is None, "this host's own QEMU"


async def test_who_may_only_read_is_told_which_right_is_missing(
    libvirtd: StartLibvirtd, domain: StartDomain
) -> None:
    daemon = await libvirtd(others="read")
    await domain(DiskSpec("vda"), daemon=daemon)
    backend = LibvirtBackend(daemon.read_only_uri)
    await backend.open()
    (vm,) = await backend.read()
    assert vm.disks
    with pytest.raises((StepFailed, NoConnection)):
        await backend.definition(vm.key)
    await backend.close()


@pytest.mark.parametrize("uri", ["qemu:/system", "xen:///system", "qemu:///other"])
def test_a_malformed_uri_is_refused(uri: str) -> None:
    with pytest.raises(UsageError):
        LibvirtBackend(uri)


async def test_no_daemon_is_no_connection(lab_directory: Path) -> None:
    backend = LibvirtBackend(f"qemu:///system?socket={lab_directory}/none")
    with pytest.raises(NoConnection, match="no libvirtd listens"):
        await backend.open()
    assert backend.link is Link.DOWN
    await backend.close()

"""A lab domain is libvirt's in all ways, and the lab reaches its disks."""

import json

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.monitor import CommandRefused

pytestmark = pytest.mark.libvirt


async def test_a_paused_domain_has_its_disks_and_chains(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda", chain_depth=3), DiskSpec("vdb", "raw"))
    assert await web.state() == "paused"
    tree = await web.xml()
    targets = [target.get("dev") for target in tree.iterfind("devices/disk/target")]
    assert targets == ["vda", "vdb"]
    drivers = [driver.get("type") for driver in tree.iterfind("devices/disk/driver")]
    assert drivers == ["qcow2", "raw"]
    (vda, _) = tree.iterfind("devices/disk")
    files = [source.get("file") for source in vda.iter("source")]
    assert files == [str(path) for path in reversed(web.chain("vda"))]


async def test_qemu_io_writes_reach_each_disk(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda"), DiskSpec("vdb", "raw"), DiskSpec("vdab"))
    for number, target in enumerate(web.disks, start=1):
        assert "wrote 65536" in await web.qemu_io(target, f"write -P {number} 0 64k")
    assert web.active("vdb").read_bytes()[:4] == b"\2\2\2\2"
    assert await web.qemu_io("vdab", "read -P 3 0 64k")


@pytest.mark.parametrize("command", ["read -P 0x42 0 64k", "write 1T 64k", "wrote 0"])
async def test_qemu_io_that_failed_is_an_error(
    domain: StartDomain, command: str
) -> None:
    web = await domain()
    with pytest.raises(CommandRefused):
        await web.qemu_io("vda", command)


async def test_the_lab_has_a_monitor_of_its_own(domain: StartDomain) -> None:
    web = await domain()
    assert await web.execute("query-uuid") == {"UUID": web.uuid}
    assert await web.execute("query-name") == {"name": "web-01"}


async def test_a_killed_domain_is_off_for_libvirt(domain: StartDomain) -> None:
    web = await domain()
    await web.kill()
    assert await web.state() == "shut off"
    await web.start()
    assert await web.state() == "paused"


async def test_a_domain_is_killed_while_its_libvirtd_is_dead(
    domain: StartDomain,
) -> None:
    web = await domain()
    await web.libvirtd.kill()
    await web.kill()
    await web.libvirtd.start()
    assert await web.state() == "shut off"


async def test_a_hung_domain_can_be_killed(domain: StartDomain) -> None:
    web = await domain()
    await web.signal("STOP")
    await web.kill()
    assert await web.state() == "shut off"


async def test_a_destroyed_domain_starts_on_the_same_disks(domain: StartDomain) -> None:
    web = await domain()
    await web.qemu_io("vda", "write -P 9 1M 64k")
    await web.destroy()
    await web.start()
    assert await web.qemu_io("vda", "read -P 9 1M 64k")


async def test_an_undefined_domain_is_forgotten(domain: StartDomain) -> None:
    web = await domain(off=True)
    assert await web.state() == "shut off"
    await web.undefine()
    assert await web.libvirtd.virsh("list", "--all", "--name") == ""
    await web.define()
    assert await web.state() == "shut off"


async def test_two_domains_of_a_test_share_a_daemon(domain: StartDomain) -> None:
    web, db = await domain(name="web-01"), await domain(name="db-01")
    assert web.connection == db.connection
    assert web.active("vda") != db.active("vda")
    listed = await web.libvirtd.virsh("list", "--name")
    assert sorted(listed.split()) == ["db-01", "web-01"]


async def test_a_domain_without_an_agent_has_no_channel(domain: StartDomain) -> None:
    web = await domain(agent=False)
    assert (await web.xml()).find("devices/channel") is None


async def test_images_and_sockets_are_private(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda", chain_depth=2))
    assert web.directory.parent.stat().st_mode & 0o777 == 0o700
    assert web.directory.stat().st_mode & 0o777 == 0o700
    for image in web.chain("vda"):
        assert image.stat().st_mode & 0o777 == 0o600


@pytest.mark.guest
async def test_a_guest_boots_writes_and_freezes(guest_domain: StartDomain) -> None:
    web = await guest_domain(DiskSpec("vda", chain_depth=2), DiskSpec("vdb", "raw"))
    assert await web.state() == "running"
    said = await web.libvirtd.virsh("domfsinfo", web.name)
    assert "/disks/vda" in said and "/disks/vdb" in said
    await web.libvirtd.virsh("domfsfreeze", web.name)
    status = json.dumps({"execute": "guest-fsfreeze-status"})
    said = await web.libvirtd.virsh("qemu-agent-command", web.name, status)
    assert json.loads(said) == {"return": "frozen"}
    await web.libvirtd.virsh("domfsthaw", web.name)

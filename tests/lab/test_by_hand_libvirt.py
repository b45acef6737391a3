"""What is done by hand over libvirt is right: a ratio to it says something."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.lab.by_hand_libvirt import hand_of
from vmsnap_tui.lab.disks import DiskSpec


@pytest.mark.libvirt
async def test_a_full_by_hand_is_the_disk(
    domain: StartDomain, lab_directory: Path
) -> None:
    web = await domain(DiskSpec("vda"), DiskSpec("vdb"))
    await web.qemu_io("vda", "write -P 7 1M 1M")
    async with hand_of(web, lab_directory / "hand") as hand:
        assert await hand.take(increment=False) > 0
    await web.destroy()
    for target in ("vda", "vdb"):
        made = lab_directory / "hand" / f"{target}-1.qcow2"
        compare = ["qemu-img", "compare", str(web.active(target)), str(made)]
        subprocess.run(compare, check=True, capture_output=True)


@pytest.mark.libvirt
async def test_an_increment_by_hand_holds_what_changed_since_the_last(
    domain: StartDomain, lab_directory: Path
) -> None:
    web = await domain()
    await web.qemu_io("vda", "write -P 1 0 1M")
    async with hand_of(web, lab_directory / "hand") as hand:
        await hand.record_changes()
        await web.qemu_io("vda", "write -P 2 2M 1M")
        await hand.take(increment=True)
        await web.qemu_io("vda", "write -P 3 4M 1M")
        await hand.take(increment=True)
    left = await web.libvirtd.virsh("checkpoint-list", web.name, "--name")
    assert left.split() == ["hand-2"]
    for number, offset_mib in ((1, 2), (2, 4)):
        path = lab_directory / "hand" / f"vda-{number}.qcow2"
        listed = subprocess.run(
            ["qemu-img", "map", path], capture_output=True, text=True, check=True
        )
        rows = listed.stdout.splitlines()[1:]
        assert [int(row.split()[0], 16) >> 20 for row in rows] == [offset_mib]


@pytest.mark.guest
async def test_a_guest_is_thawed_when_the_instant_is_taken(
    guest_domain: StartDomain, lab_directory: Path
) -> None:
    web = await guest_domain()
    async with hand_of(web, lab_directory / "hand") as hand:
        calls = await hand.freeze_and_start()
    assert min(calls.freeze_s, calls.transaction_s, calls.thaw_s) > 0
    status = '{"execute": "guest-fsfreeze-status"}'
    said = await web.libvirtd.virsh("qemu-agent-command", web.name, status)
    assert "thawed" in said

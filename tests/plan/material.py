"""Machines, shelves and requests made by hand for the tests of plans."""

from dataclasses import replace

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.point import Consistency, DiskLevel, Point, StoredDisk
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState
from vmsnap_tui.plan.backup import Identity
from vmsnap_tui.plan.levels import Shelf
from vmsnap_tui.units import GiB, MiB

PREFIX = "vmsnap-0badcafe-"
EARLIER = "20261120T010000Z-11111111"
POINT = "20261120T083412Z-1a2b3c4d"
TRACKING = PREFIX + EARLIER
"""The bitmap that has recorded every write since point EARLIER."""
SHA256 = "ab" * 32
IDENTITY = Identity("1a2b3c4d5e6f", POINT)
FREE_BYTES = 100 * GiB


def a_bitmap(
    name: str = TRACKING,
    *,
    dirty_bytes: int = 3 * MiB,
    recording: bool = True,
    busy: bool = False,
    inconsistent: bool = False,
) -> Bitmap:
    return Bitmap(
        name=name,
        granularity_bytes=65536,
        dirty_bytes=dirty_bytes,
        recording=recording,
        busy=busy,
        inconsistent=inconsistent,
        persistent=True,
    )


def an_image(name: str, *bitmaps: Bitmap, read_only: bool = False) -> Image:
    """A qcow2 of 10 GiB that takes 2 GiB, under the node `node-NAME`."""
    return Image(
        path=f"/images/{name}.qcow2",
        format="qcow2",
        node=f"node-{name}",
        virtual_bytes=10 * GiB,
        allocated_bytes=2 * GiB,
        read_only=read_only,
        bitmaps=bitmaps,
        can_persist_bitmaps=True,
    )


def a_disk(*chain: Image, target: str = "vda") -> Disk:
    """The chain is given as QEMU tells it: active image first, base last."""
    return Disk(target=target, device=f"dev-{target}", chain=chain)


def a_raw_disk(*bitmaps: Bitmap, target: str = "vda") -> Disk:
    image = replace(
        an_image("raw", *bitmaps),
        path="/images/raw.img",
        format="raw",
        can_persist_bitmaps=False,
    )
    return a_disk(image, target=target)


def a_vm(*disks: Disk, state: VmState = VmState.RUNNING) -> Vm:
    return Vm(
        name="web-01",
        uuid="5d1f4d0c-6b0e-4e4b-9e0f-0123456789ab",
        connection="qmp:///run/web.qmp",
        state=state,
        status=state.value,
        disks=disks,
        agent=Agent("/run/web.qga", answers=True),
        capabilities=Capabilities((7, 2, 22)),
    )


def stored(source: str = "base", target: str = "vda") -> StoredDisk:
    """What point EARLIER holds of a disk whose active image was `source` then."""
    return StoredDisk(
        target=target,
        file=f"disk-{target}.qcow2",
        level=DiskLevel.FULL,
        reason="the first point of this disk",
        parent=None,
        virtual_bytes=10 * GiB,
        bytes=2 * GiB,
        sha256=SHA256,
        bitmap=TRACKING,
        source_path=f"/images/{source}.qcow2",
        source_format="qcow2",
    )


def a_point(*disks: StoredDisk) -> Point:
    return Point(
        id=EARLIER,
        vm_name="web-01",
        vm_uuid="5d1f4d0c-6b0e-4e4b-9e0f-0123456789ab",
        vm_key="5d1f4d0c-6b0e-4e4b-9e0f-0123456789ab",
        seq=7,
        created_utc="2026-11-20T01:00:00.000Z",
        consistency=Consistency.CRASH,
        freeze_window_s=None,
        disks=disks,
    )


def a_shelf(*disks: StoredDisk, depth: int = 1, path: str = "/backup") -> Shelf:
    """A repository whose newest point EARLIER holds these disks."""
    return Shelf(
        path=path,
        bitmap_prefix=PREFIX,
        next_seq=8,
        free_bytes=FREE_BYTES,
        newest={disk.target: a_point(*disks) for disk in disks},
        broken={},
        depth={disk.target: depth for disk in disks},
    )

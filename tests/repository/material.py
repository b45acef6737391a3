"""Points made by hand for the repository's tests: real files, real manifests."""

import hashlib
from pathlib import Path

from vmsnap_tui.model.point import (
    Consistency,
    DiskLevel,
    Parent,
    Point,
    StoredDisk,
)
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.repository.repository import Repository

UUID = "5d1f4d0c-6b0e-4e4b-9e0f-0123456789ab"


def a_vm(name: str = "web-01", uuid: str = UUID) -> Vm:
    return Vm(
        name=name,
        uuid=uuid,
        connection="qmp:///run/web.qmp",
        state=VmState.RUNNING,
        status="running",
        disks=(),
    )


def an_id(number: int) -> str:
    return f"20261120T083412Z-{number:08x}"


def a_disk(
    data: bytes, target: str = "vda", parent: Parent | None = None
) -> StoredDisk:
    return StoredDisk(
        target=target,
        file=f"disk-{target}.qcow2",
        level=DiskLevel.INCREMENTAL if parent else DiskLevel.FULL,
        reason="asked for",
        parent=parent,
        virtual_bytes=1024 * 1024,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        bitmap="vmsnap-00000000-20261120T083412Z-00000001",
        source_path="/images/web.qcow2",
        source_format="qcow2",
    )


def a_point(number: int, vm: Vm, disks: tuple[StoredDisk, ...], seq: int = 0) -> Point:
    return Point(
        id=an_id(number),
        vm_name=vm.name,
        vm_uuid=vm.uuid,
        vm_key=vm.key,
        seq=seq or number,
        created_utc="2026-11-20T08:34:12.345Z",
        consistency=Consistency.FS_FROZEN,
        freeze_window_s=0.125,
        disks=disks,
        qemu_version="7.2.22",
        tool_version="0.1.0",
    )


def store(
    repository: Repository,
    vm: Vm,
    number: int,
    parent: int | None = None,
    data: bytes = b"",
    target: str = "vda",
    seq: int = 0,
) -> Path:
    """Commit a point of one disk; returns its directory."""
    data = data or f"content of {number}".encode()
    stands_on = None
    if parent is not None:
        below = repository.find(an_id(parent)).point.disk(target)
        assert below is not None
        stands_on = Parent(an_id(parent), below.sha256)
    disk = a_disk(data, target, stands_on)
    repository.create_partial(an_id(number))
    repository.create_disk_file(an_id(number), disk.file).write_bytes(data)
    point = a_point(number, vm, (disk,), seq)
    repository.write_manifest(an_id(number), vm, point)
    repository.commit(an_id(number), vm)
    return repository.find(an_id(number)).directory

"""A domain that is backed up by the backend, for tests: what goes where, and back."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm

BLOCK = 65536
MIB = 1 << 20


def nothing(_: object) -> None:
    pass


@asynccontextmanager
async def backend_of(domain: Domain) -> AsyncIterator[LibvirtBackend]:
    backend = LibvirtBackend(domain.connection)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


async def an_instant(
    repository: Path,
    point: str,
    *targets: str,
    since: str = "",
    speed_bytes_per_s: int = 0,
    size_mib: int = 64,
) -> BackupInstant:
    """Files made as the engine makes them, in `tmp/<point>` of a repository."""
    directory = repository / "tmp" / point
    for path in (repository, repository / "tmp", directory):
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    disks = []
    for target in targets or ("vda",):
        file = directory / f"disk-{target}.qcow2"
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
        command = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", str(file)]
        backing = f"../{since}/disk-{target}.qcow2"
        below = ["-b", backing, "-F", "qcow2"] if since else []
        await run_tool([*command, f"{size_mib}M", *below])
        disks.append(
            DiskInstant(
                target=target,
                file=str(file),
                target_node=f"vmsnap-t-{point}-{target}",
                level=DiskLevel.INCREMENTAL if since else DiskLevel.FULL,
                bitmap=f"vmsnap-{point}",
                persistent=True,
                scratch_bitmap=f"vmsnap-{point}-scratch",
                merge=(RecordedIn(target, f"vmsnap-{since}"),) if since else (),
            )
        )
    return BackupInstant("0123456789ab", tuple(disks), speed_bytes_per_s)


def slow(instant: BackupInstant, bytes_per_s: int = BLOCK) -> BackupInstant:
    return replace(instant, speed_bytes_per_s=bytes_per_s)


async def begun(backend: LibvirtBackend, vm: str, instant: BackupInstant) -> None:
    await backend.attach_targets(vm, instant)
    await backend.start_backup(vm, instant)


async def ended(backend: LibvirtBackend, vm: str, instant: BackupInstant) -> None:
    await backend.await_jobs(vm, instant, nothing)
    await backend.finalize_jobs(vm, instant)
    await backend.detach_targets(vm, instant)
    scratch = tuple((d.target, d.scratch_bitmap) for d in instant.disks)
    assert await backend.drop_bitmaps(vm, scratch) == ()


async def whole(backend: LibvirtBackend, vm: str, instant: BackupInstant) -> None:
    await begun(backend, vm, instant)
    await ended(backend, vm, instant)


async def taken_back(backend: LibvirtBackend, vm: str, instant: BackupInstant) -> None:
    await backend.abort_backup(vm, instant, was_running=False)
    await backend.drop_targets(vm, instant)


def records(vm: Vm, target: str = "vda") -> dict[str, bool]:
    """Names of what is recorded of a disk, and whether it is whole."""
    disk = vm.disk(target)
    assert disk is not None
    assert disk.records is not None
    return {record.name: record.whole for record in disk.records}


async def bitmaps(domain: Domain, target: str = "vda") -> set[str]:
    """Those in the active image, by QEMU's own word."""
    file = str(domain.active(target))
    blocks = await domain.execute("query-block")
    return {
        bitmap["name"]
        for block in blocks
        if block.get("inserted", {}).get("image", {}).get("filename") == file
        for bitmap in block["inserted"].get("dirty-bitmaps", ())
    }


async def marks(domain: Domain) -> list[str]:
    xml = await domain.xml()
    return [child.tag for child in xml.iterfind("metadata/*")]


def allocated(file: str | Path) -> set[int]:
    """Which blocks a stored image holds itself, in units of BLOCK."""
    source = {"driver": "file", "filename": str(file)}
    graph = {"driver": "qcow2", "backing": None, "file": source}
    words = ["qemu-img", "map", "--output=json", f"json:{json.dumps(graph)}"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {
        block
        for part in json.loads(said)
        if part["data"]
        for block in range(
            part["start"] // BLOCK, (part["start"] + part["length"]) // BLOCK
        )
    }


def byte_at(file: str | Path, block: int) -> int:
    """The byte that fills a block of an image that stands alone or on others."""
    words = ["qemu-io", "-r", "-U", "-f", "qcow2", "-c", f"read -v {block * BLOCK} 1"]
    said = subprocess.run(
        [*words, str(file)], check=True, capture_output=True, text=True
    ).stdout
    return int(said.split(":")[1].split()[0], 16)


def fill(place: Path) -> None:
    """A file that takes all the room that there is."""
    found = os.statvfs(place)
    left_bytes = found.f_bavail * found.f_frsize
    with (place / "filler").open("wb") as file:
        if left_bytes:
            os.posix_fallocate(file.fileno(), 0, left_bytes)


class Progress:
    """What a wait for jobs tells while it waits."""

    def __init__(self) -> None:
        self._looks: asyncio.Queue[tuple[Job, ...]] = asyncio.Queue()

    def __call__(self, jobs: tuple[Job, ...]) -> None:
        self._looks.put_nowait(jobs)

    async def looks(self, count: int) -> None:
        """Until so many more have shown a job that copies."""
        async with asyncio.timeout(20):
            while count:
                jobs = await self._looks.get()
                count -= any(job.total_bytes for job in jobs)


async def a_full_image(directory: Path, size_mib: int) -> Path:
    """An image whose every cluster is allocated, and made at once: to copy it takes
    longer than to limit the speed of its copying."""
    file = directory / "full.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=falloc"]
    await run_tool([*command, str(file), f"{size_mib}M"])
    return file


async def until_idle(domain: Domain) -> None:
    """Until libvirt knows of no job any more; each question takes its time."""
    async with asyncio.timeout(20):
        while "None" not in await domain.libvirtd.virsh("domjobinfo", domain.name):
            pass

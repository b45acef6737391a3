"""The disks of lab machines: what is asked for, and the images made for it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmsnap_tui.lab.monitor import LabFailed

ImageFormat = Literal["qcow2", "raw"]


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """One disk as the guest sees it; `target` is also its device id in QEMU.

    `chain_depth` counts the images, so 3 is a base and two overlays. With `path` an
    image that exists is used as it is, and nothing is created. `files_mib` of random
    files fill a guest's file system, and `stale_mib` each overlay but the active one.
    """

    target: str
    format: ImageFormat = "qcow2"
    size_bytes: int = 64 << 20
    chain_depth: int = 1
    path: Path | None = None
    files_mib: int = 0
    stale_mib: int = 0


@dataclass(frozen=True, slots=True)
class LabDisk:
    """A disk with its images, from the base to the active one."""

    target: str
    chain: tuple[tuple[Path, ImageFormat], ...]

    @property
    def active(self) -> Path:
        """The image that takes the guest's writes."""
        return self.chain[-1][0]

    @property
    def images(self) -> tuple[Path, ...]:
        """The images from the base to the active one."""
        return tuple(path for path, _ in self.chain)

    def grown(self, overlay: Path, overlay_format: ImageFormat) -> "LabDisk":
        """Return the disk with an overlay on top, for the next start."""
        return LabDisk(self.target, (*self.chain, (overlay, overlay_format)))


async def machine_disk(spec: DiskSpec, directory: Path, guest: bool) -> LabDisk:
    """Create a machine's disk; a guest finds a file system on it."""
    if not guest or spec.path is not None:
        return await make_disk(spec, directory, None)
    seed = directory / f"{spec.target}.seed"
    await make_file_system(seed, spec)
    try:
        return await make_disk(spec, directory, seed)
    finally:
        seed.unlink()


async def make_disk(spec: DiskSpec, directory: Path, seed: Path | None) -> LabDisk:
    """Create the images of one disk (0600); the base takes its content from `seed`.

    `seed` is a raw image, for instance one with a file system; without it the disk is
    empty. Raises LabFailed with the words of qemu-img.
    """
    if spec.path is not None:
        return LabDisk(spec.target, ((spec.path, spec.format),))
    base = directory / f"{spec.target}.{spec.format}"
    private_file(base)
    if seed is None:
        create = ["qemu-img", "create", "-q", "-f", spec.format]
        await run_tool([*create, base, str(spec.size_bytes)])
    else:
        convert = ["qemu-img", "convert", "-f", "raw", "-O", spec.format]
        await run_tool([*convert, seed, base])
    disk = LabDisk(spec.target, ((base, spec.format),))
    for number in range(1, spec.chain_depth):
        if number > 1 and spec.stale_mib:
            await _fill_free_space(disk.active, spec.stale_mib)
        disk = await add_overlay(disk, directory / f"{spec.target}.s{number}.qcow2")
    return disk


async def add_overlay(disk: LabDisk, overlay: Path) -> LabDisk:
    """Create an overlay on the active image of a disk that nobody has open."""
    below, below_format = disk.chain[-1]
    private_file(overlay)
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    await run_tool([*create, "-b", below, "-F", below_format, overlay])
    return disk.grown(overlay, "qcow2")


async def make_file_system(seed: Path, spec: DiskSpec) -> None:
    """Create a sparse raw image (0600) with ext4 in all of it, and files in that."""
    private_file(seed)
    os.truncate(seed, spec.size_bytes)
    # sbin is not in the PATH of an operator who is not root
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    mkfs = shutil.which("mkfs.ext4", path=path) or "mkfs.ext4"
    options = ["-q", "-F", "-L", spec.target, "-E", "nodiscard,lazy_itable_init=1"]
    with tempfile.TemporaryDirectory(dir=seed.parent) as files:
        for number in range(spec.files_mib):
            Path(files, f"{number}.data").write_bytes(os.urandom(1 << 20))
        await run_tool([mkfs, *options, "-d", files, seed])


async def _fill_free_space(overlay: Path, mib: int) -> None:
    """Give an overlay a size, in blocks that its file system has not given out.

    mkfs puts files at the front and copies of the superblock at the start of groups
    of 128 MiB; 1.25 GiB and 8 MiB is in the middle of the tenth.
    """
    write = f"write -q -P 0x55 1288M {mib}M"
    await run_tool(["qemu-io", "-f", "qcow2", "-c", write, overlay])


def private_file(path: Path) -> None:
    """Create an empty file (0600) whatever the umask; qemu-img keeps its mode."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    os.close(handle)


async def run_tool(command: Sequence[str | Path], directory: Path | None = None) -> str:
    """Run a tool and return what it prints; raises LabFailed with what it says."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise LabFailed(
            f"{command[0]} is not installed",
            evidence=str(error),
            remedy="`./run` names the package",
        ) from error
    out, err = await process.communicate()
    if process.returncode != 0:
        said = err.decode(errors="replace").strip()
        raise LabFailed(f"{command[0]} failed", evidence=said)
    return out.decode(errors="replace")

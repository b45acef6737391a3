"""The little Linux of the lab: a kernel and an initramfs with a guest agent.

Built once from Debian's own packages and kept in the operator's cache, so that a demo
or a test run after the first needs neither network nor time.
"""

import hashlib
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from vmsnap_tui.lab import initramfs
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.packages import AptRoot

READY = initramfs.READY
"""What the guest says on its console when its userland is up."""


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What QEMU boots: no firmware disk, no installation, nothing to fetch again."""

    kernel: Path
    initramfs: Path


@dataclass(frozen=True, slots=True)
class NoGuest:
    """Why there can be no guest here; paused machines work all the same."""

    reason: str


def cache_directory() -> Path:
    """Return where built guests are kept: $VMSNAP_LAB_CACHE or the user's cache."""
    chosen = os.environ.get("VMSNAP_LAB_CACHE")
    if chosen:
        return Path(chosen)
    return platformdirs.user_cache_path("vmsnap-tui") / "lab"


async def guest_files() -> GuestFiles | NoGuest:
    """Return the guest, built if need be (a few seconds, 27 MB to fetch), or why not.

    The cache is keyed by what /init says, so that a change of it is a new guest.
    """
    if platform.machine() != "x86_64":
        return NoGuest(f"the lab's guest is x86_64, this machine {platform.machine()}")
    recipe = Path(initramfs.__file__).read_bytes()
    key = hashlib.sha256(recipe).hexdigest()[:12]
    place = cache_directory() / f"guest-{key}"
    built = GuestFiles(place / "vmlinuz", place / "initramfs")
    if place.is_dir():
        return built
    try:
        await _build(place)
    except LabFailed as error:
        return NoGuest(str(error))
    return built


async def _build(place: Path) -> None:
    """Build into a neighbour and rename: a guest is whole or is not there."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise LabFailed("busybox is not installed", remedy="install busybox-static")
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        root = Path(scratch, "root")
        apt = AptRoot(Path(scratch, "apt"))
        await apt.update()
        kernel = await _kernel_package(apt)
        await apt.unpack([kernel, "qemu-guest-agent"], root)
        made = Path(scratch, "made")
        made.mkdir(mode=0o700)
        (vmlinuz,) = (root / "boot").glob("vmlinuz-*")
        shutil.copyfile(vmlinuz, made / "vmlinuz")
        (made / "initramfs").write_bytes(await initramfs.build(root, Path(busybox)))
        if not place.exists():
            made.rename(place)


async def _kernel_package(apt: AptRoot) -> str:
    """Return the package that the newest small kernel of these sources is in."""
    for package in await apt.depends("linux-image-cloud-amd64"):
        if package.startswith("linux-image-"):
            return package
    raise LabFailed(
        "the package sources of this machine have no linux-image-cloud-amd64",
        remedy="use a Debian machine",
    )

"""A file system of its own that is small enough to fill."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmsnap_tui.units import MiB

SMALL_BYTES = 12 * MiB


def mounting() -> list[str]:
    """What to put before `mount`: nothing for root, else sudo without a question."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


@pytest.fixture
def small(lab_directory: Path) -> Iterator[Path]:
    """A file system of 12 MiB that is there for this test alone."""
    place = lab_directory / "small"
    place.mkdir(mode=0o700)
    options = f"size={SMALL_BYTES},mode=0700,uid={os.geteuid()}"
    mount = [*mounting(), "mount", "-t", "tmpfs", "-o", options, "test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True)
    assert done.returncode == 0, (
        "a full disk needs a small one, and mounting one needs root or sudo without"
        f" a password: {done.stderr}"
    )
    yield place
    subprocess.run([*mounting(), "umount", str(place)], check=True)


def fill(place: Path, but_bytes: int = 0) -> Path:
    """A file that takes all room but so much."""
    filler = place / "filler"
    found = os.statvfs(place)
    with filler.open("wb") as file:
        os.posix_fallocate(
            file.fileno(), 0, found.f_bavail * found.f_frsize - but_bytes
        )
    return filler

"""The little Linux of the lab: a kernel and an initramfs with a guest agent."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What QEMU boots: no firmware disk, no installation, nothing to download again."""

    kernel: Path
    initramfs: Path

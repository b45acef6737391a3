"""Whether KVM really runs the lab's guest on this machine, found out by booting it.

/dev/kvm inside some VMs opens and then aborts QEMU (7.2), or lets it start and runs
nothing (11.1). Only a guest that reached its /init is believed.
"""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path
from typing import Literal

from vmsnap_tui.lab.guest import READY, GuestFiles, cache_directory

Accelerator = Literal["kvm", "tcg"]

_BOOT_S = 5.0
"""Under KVM the guest is up in less than one second."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


async def accelerator(guest: GuestFiles, kvm: Path = Path("/dev/kvm")) -> Accelerator:
    """Return what to boot the guest with; asked once per boot of the host and QEMU."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None or not os.access(kvm, os.R_OK | os.W_OK):
        return "tcg"
    asked = f"{_BOOT_ID.read_text()}{qemu}{Path(qemu).stat().st_mtime_ns}{guest.kernel}"
    key = hashlib.sha256(asked.encode()).hexdigest()[:12]
    answer = cache_directory() / f"kvm-{key}"
    if not answer.exists():
        answer.write_text("yes" if await _boots(qemu, guest) else "no")
    return "kvm" if answer.read_text() == "yes" else "tcg"


async def _boots(qemu: str, guest: GuestFiles) -> bool:
    """Boot a guest without disks and wait for its word; nothing of it stays."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "sh", "-c", 'ulimit -c 0; exec "$@"', "sh"),
        *(qemu, "-accel", "kvm", "-cpu", "max", "-machine", "pc", "-m", "256"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", guest.kernel, "-initrd", guest.initramfs, "-serial", "stdio"),
        *("-append", "console=ttyS0 quiet panic=-1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        await asyncio.wait_for(process.stdout.readuntil(READY.encode()), _BOOT_S)
        booted = True
    except TimeoutError:
        booted = False
    except asyncio.IncompleteReadError:
        # it is dead already, and a signal would race with asyncio's own waitpid
        await process.communicate()
        return False
    process.kill()
    await process.communicate()
    return booted

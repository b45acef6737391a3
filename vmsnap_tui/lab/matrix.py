"""Other releases of QEMU and libvirt beside the system's own.

Each is unpacked with all that it needs, down to the C library. A QEMU is run by its own
loader: no chroot, no container, no change of the system, no root. A libvirtd looks for
its parts where it was built to look, so that one is root and changes its root.
`python -m vmsnap_tui.lab.matrix DIRECTORY` prints where the tools of each are.
"""

import asyncio
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.packages import AptRoot

_PACKAGES = (
    *("qemu-system-x86", "qemu-utils"),
    *("libvirt-daemon", "libvirt-daemon-driver-qemu"),
    # what makes the tree one that can be changed root to
    *("base-files", "coreutils", "dash"),
)
_STAMP = "packages"
_TOOLS = ("qemu-system-x86_64", "qemu-img", "qemu-io", "qemu-nbd")
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class Release:
    """One QEMU and libvirt of the matrix: the Debian suite that carries them."""

    name: str
    suite: str


RELEASES = (Release("q10", "trixie"), Release("q11", "forky"))
"""QEMU 10.0 with libvirt 11.3, and 11.1 with 12.x; 7.2 with 9.0 is Debian 12's own,
the oldest that is supported."""


async def unpack(release: Release, matrix: Path) -> Path:
    """Return the directory with the release's tools, unpacked if need be.

    It appears whole, by rename; one of other packages gives way to it. Raises LabFailed
    with apt's words.
    """
    place = matrix / release.name
    if is_whole(place):
        return place / "bin"
    matrix.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=matrix) as scratch:
        apt = AptRoot(Path(scratch, "apt"), release.suite)
        await apt.update()
        made = Path(scratch, "made")
        await apt.unpack_with_depends(_PACKAGES, made / "root")
        (made / "bin").mkdir()
        for tool in _TOOLS:
            wrapper = made / "bin" / tool
            wrapper.write_text(wrapper_script(tool, place / "root", made / "root"))
            wrapper.chmod(0o755)
        (made / _STAMP).write_text("\n".join(_PACKAGES))
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    return place / "bin"


def is_whole(place: Path) -> bool:
    """Whether all of today's packages are unpacked there."""
    stamp = place / _STAMP
    return stamp.exists() and stamp.read_text() == "\n".join(_PACKAGES)


def wrapper_script(tool: str, root: Path, unpacked: Path) -> str:
    """Return the script that runs a tool of `root`, now in `unpacked`, by its loader.

    Raises LabFailed when the packages hold no loader or no such tool.
    """
    program = next(unpacked.glob(f"usr/bin/{tool}"), None)
    loader = next(unpacked.glob("**/ld-linux-x86-64.so.2"), None)
    if program is None or loader is None:
        raise LabFailed(f"the unpacked packages hold no {tool} or no loader")
    libraries = sorted({each.parent for each in unpacked.glob("**/lib/**/*.so.*")})
    path = ":".join(str(root / each.relative_to(unpacked)) for each in libraries)
    words = [str(root / loader.relative_to(unpacked)), "--library-path", path]
    words += ["--argv0", tool, str(root / "usr" / "bin" / tool)]
    if tool.startswith("qemu-system"):
        words += [word for each in _FIRMWARE for word in ("-L", str(root / each))]
    modules = shlex.quote(str(root / _LIBRARIES / "qemu"))
    return (
        f'#!/bin/sh\nexport QEMU_MODULE_DIR={modules}\nexec {shlex.join(words)} "$@"\n'
    )


async def _main(matrix: Path) -> None:
    for release in RELEASES:
        sys.stderr.write(f"matrix: {release.name} (Debian {release.suite})\n")
        tools = await unpack(release, matrix)
        sys.stdout.write(f"{tools}\n")


if __name__ == "__main__":
    try:
        asyncio.run(_main(Path(sys.argv[1]).absolute()))
    except LabFailed as failed:
        sys.exit(f"matrix: {failed}")

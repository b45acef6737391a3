"""The initramfs of the lab's guest: a cpio archive, its files and its /init.

Written here and not by the `cpio` tool: that one cannot make /dev/console without
being root, and a guest without it is mute.
"""

import lzma
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.monitor import LabFailed

_WANTED_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")

READY = "vmsnap guest ready"
"""What /init says on the console when all is up; the agent follows in a moment."""

INIT = """\
#!/bin/busybox sh
# The whole userland of a lab machine: disks, the guest agent, a steady load.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
for module in $(cat /modules/order); do insmod "/modules/$module"; done

writes_per_s=4
for word in $(cat /proc/cmdline); do
    case $word in vmsnap.*=*) eval "${word#vmsnap.}" ;; esac
done

agent() {
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ] || continue
        while :; do
            qemu-ga -m virtio-serial -p "/dev/${port##*/}" -t /run -f /run/ga.pid
            sleep 1
        done
    done
}

load() { # DIRECTORY: a counter and a stretch of 64 KiB that wanders over 32 MiB
    n=0
    pause=$(awk "BEGIN { print 1 / $writes_per_s }")
    while :; do
        n=$((n + 1))
        dd if=/dev/urandom of="$1/load" bs=64k count=1 seek=$((n % 512)) \\
            conv=notrunc,fsync 2>/dev/null
        echo "$n" >"$1/counter"
        sync "$1/counter"
        sleep "$pause"
    done
}

for disk in /dev/vd?; do
    place=/disks/${disk##*/}
    mkdir -p "$place"
    mount -t ext4 -o noinit_itable "$disk" "$place" || continue
    [ "$writes_per_s" = 0 ] || load "$place" &
done
agent &
echo "READY"
while :; do wait; sleep 3600; done
""".replace("READY", READY)

_SHUTDOWN = """\
#!/bin/busybox sh
# What the guest agent calls for guest-shutdown.
sync
case " $* " in *" -r "*) exec reboot -f ;; *) exec poweroff -f ;; esac
"""

_OS_RELEASE = 'NAME="vmsnap lab"\nID=vmsnap-lab\nPRETTY_NAME="vmsnap lab guest"\n'


@dataclass(slots=True)
class Archive:
    """A cpio archive (newc) in the making; parents are made before their children."""

    _made: dict[str, bytes] = field(default_factory=dict)

    def directory(self, path: str) -> None:
        """Add a directory and those above it."""
        if path and path not in self._made:
            self.directory(path.rpartition("/")[0])
            self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, path: str, content: bytes, mode: int = 0o755) -> None:
        """Add a file."""
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFREG | mode, content)

    def link(self, path: str, to: str) -> None:
        """Add a symbolic link."""
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFLNK | 0o777, to.encode())

    def character_device(self, path: str, major: int, minor: int) -> None:
        """Add a device node; only an archive can, without being root."""
        self.directory(path.rpartition("/")[0])
        self._entry(path, stat.S_IFCHR | 0o600, b"", (major, minor))

    def finished(self) -> bytes:
        """Return the archive with its trailer."""
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._made.values())

    def _entry(
        self, path: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)
    ) -> None:
        name = path.encode() + b"\0"
        inode = len(self._made) + 1
        numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._made[path] = _padded(head + name) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)


async def build(root: Path, busybox: Path) -> bytes:
    """Return the initramfs made of unpacked kernel and agent packages in `root`.

    Raises LabFailed when a library of the agent is missing on this machine.
    """
    archive = Archive()
    for place in ("proc", "sys", "dev", "run", "disks", "tmp", "bin", "sbin"):
        archive.directory(place)
    archive.character_device("dev/console", 5, 1)
    archive.file("init", INIT.encode())
    archive.file("sbin/shutdown", _SHUTDOWN.encode())
    archive.file("etc/os-release", _OS_RELEASE.encode(), 0o644)
    archive.file("bin/busybox", busybox.read_bytes())
    agent = root / "usr" / "sbin" / "qemu-ga"
    archive.file("sbin/qemu-ga", agent.read_bytes())
    for library in await _libraries(agent):
        archive.file(str(library).lstrip("/"), library.read_bytes())
    names = []
    for name, content in _modules(root):
        names.append(f"{name}.ko")
        archive.file(f"modules/{name}.ko", content, 0o644)
    archive.file("modules/order", " ".join(names).encode(), 0o644)
    return archive.finished()


async def _libraries(program: Path) -> tuple[Path, ...]:
    """Return the shared libraries of a program, its loader among them."""
    said = await run_tool(["ldd", program])
    missing = re.findall(r"(\S+) => not found", said)
    if missing:
        raise LabFailed(
            "the guest agent needs libraries that this machine does not have",
            evidence=", ".join(missing),
            remedy="install the package qemu-guest-agent",
        )
    return tuple(Path(found) for found in re.findall(r"(/\S+) \(0x", said))


def _modules(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted modules, each after those it depends on; built-in ones not."""
    files = {
        path.name.partition(".ko")[0].replace("-", "_"): path
        for path in root.glob("**/lib/modules/**/*.ko*")
    }
    done: set[str] = set()

    def closure(name: str) -> Iterator[tuple[str, bytes]]:
        if name in done or name not in files:
            return
        done.add(name)
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        depends = re.search(rb"\0depends=([^\0]*)\0", content)
        for needed in depends[1].decode().split(",") if depends else ():
            yield from closure(needed.replace("-", "_"))
        yield name, content

    for wanted in _WANTED_MODULES:
        yield from closure(wanted)

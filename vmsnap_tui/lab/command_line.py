"""The QEMU command line of a lab machine, as libvirt would write it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import NAMESPACE_DNS, uuid5

from vmsnap_tui.lab.disks import DiskSpec, ImageFormat, LabDisk
from vmsnap_tui.lab.guest import GuestFiles

AGENT_CHANNEL = "org.qemu.guest_agent.0"


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A machine to be made.

    Without a guest it is paused and needs 30 ms to start; its disks are real devices
    all the same. `style` says how its disks reach QEMU: `blockdev` names every node
    (vda, vda-p, vda-b1, …) as libvirt does, `drive` leaves the names to QEMU.
    """

    name: str
    disks: tuple[DiskSpec, ...] = (DiskSpec("vda"),)
    guest: bool = False
    style: Literal["blockdev", "drive"] = "blockdev"
    memory_mib: int = 0
    """0 takes what is enough: 16 without a guest, 256 with one."""
    extra_monitor: bool = False
    """A second QMP socket, `qmp2.sock`, for a client that finds the first taken."""
    writes_per_s: int = 4
    """The guest's steady load: small writes, each followed by fsync."""
    iothreads: bool = False
    """A thread for each disk: the guest writes on while QMP commands run."""

    @property
    def uuid(self) -> str:
        """The same for the same name, in every run."""
        return str(uuid5(NAMESPACE_DNS, f"{self.name}.vmsnap-lab"))


def qemu_arguments(
    spec: MachineSpec,
    directory: Path,
    disks: tuple[LabDisk, ...],
    guest: GuestFiles | None,
    lab_fd: int,
    accelerator: str = "tcg",
) -> list[str]:
    """Return the whole command; `lab_fd` is the lab's own, connected, monitor."""
    memory_mib = spec.memory_mib or (256 if spec.guest else 16)
    arguments = ["qemu-system-x86_64", "-name", f"guest={_comma(spec.name)}"]
    arguments += ["-uuid", spec.uuid, "-machine", "pc", "-m", str(memory_mib)]
    arguments += ["-nodefaults", "-no-user-config", "-display", "none"]
    arguments += ["-pidfile", str(directory / "pid")]
    arguments += _monitors(spec, directory, lab_fd)
    arguments += _agent(directory)
    for disk in disks:
        arguments += _drive(disk) if spec.style == "drive" else _blockdev(disk)
        arguments += _device(spec, disk.target)
    arguments += ["-accel", accelerator]
    return arguments + (["-S"] if guest is None else _booted(spec, directory, guest))


def _monitors(spec: MachineSpec, directory: Path, lab_fd: int) -> list[str]:
    arguments = []
    for name in ("qmp", "qmp2") if spec.extra_monitor else ("qmp",):
        path = _comma(str(directory / f"{name}.sock"))
        arguments += ["-qmp", f"unix:{path},server=on,wait=off"]
    arguments += ["-chardev", f"socket,id=lab,fd={lab_fd}"]
    return [*arguments, "-mon", "chardev=lab,mode=control"]


def _agent(directory: Path) -> list[str]:
    path = _comma(str(directory / "qga.sock"))
    return [
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=qga0,path={path},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=qga0,name={AGENT_CHANNEL},id=agent0"),
    ]


def _blockdev(disk: LabDisk) -> list[str]:
    """Name the active image's nodes TARGET and TARGET-p, those below TARGET-bN."""
    arguments: list[str] = []
    below: str | None = None
    for height, (path, image_format) in enumerate(disk.chain):
        depth = len(disk.chain) - 1 - height
        node = f"{disk.target}-b{depth}" if depth else disk.target
        for option in _nodes(node, path, image_format, below, writable=depth == 0):
            arguments += ["-blockdev", json.dumps(option)]
        below = node
    return arguments


def _nodes(
    node: str, path: Path, image_format: ImageFormat, below: str | None, writable: bool
) -> list[dict[str, Any]]:
    # as libvirt: a commit may reopen an image below for writing, nothing else does
    access = {} if writable else {"read-only": True, "auto-read-only": True}
    shared: dict[str, Any] = {"discard": "unmap", **access}
    file = {"driver": "file", "node-name": f"{node}-p", "filename": str(path)}
    top: dict[str, Any] = {"driver": image_format, "node-name": node, **shared}
    top["file"] = f"{node}-p"
    if image_format == "qcow2":
        top["backing"] = below
    return [{**file, **shared}, top]


def _drive(disk: LabDisk) -> list[str]:
    path, image_format = disk.chain[-1]
    drive = f"file={_comma(str(path))},format={image_format},if=none"
    return ["-drive", f"{drive},id=drive-{disk.target},discard=unmap"]


def _device(spec: MachineSpec, target: str) -> list[str]:
    drive = target if spec.style == "blockdev" else f"drive-{target}"
    device = f"virtio-blk-pci,drive={drive},id={target}"
    if not spec.iothreads:
        return ["-device", device]
    thread = ["-object", f"iothread,id=thread-{target}"]
    return [*thread, "-device", f"{device},iothread=thread-{target}"]


def _booted(spec: MachineSpec, directory: Path, guest: GuestFiles) -> list[str]:
    console = _comma(str(directory / "console.log"))
    return [
        *("-cpu", "max", "-vga", "std"),
        *("-kernel", str(guest.kernel), "-initrd", str(guest.initramfs)),
        *("-append", kernel_words(spec), "-no-reboot", "-serial", f"file:{console}"),
    ]


def kernel_words(spec: MachineSpec) -> str:
    """Return the guest's kernel command line, which its /init reads too."""
    words = f"console=ttyS0 quiet panic=-1 vmsnap.writes_per_s={spec.writes_per_s}"
    # the kernel would wait for these to be probed, which costs seconds without KVM
    return (
        f"{words} nokaslr tsc=reliable no_timer_check i8042.noaux random.trust_cpu=on"
    )


def _comma(text: str) -> str:
    """Double the commas, which part QEMU's options."""
    return text.replace(",", ",,")

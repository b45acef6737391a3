"""What libvirt is told of a lab machine: its domain XML."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from vmsnap_tui.lab.command_line import AGENT_CHANNEL, MachineSpec, kernel_words
from vmsnap_tui.lab.disks import LabDisk
from vmsnap_tui.lab.guest import GuestFiles

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
MONITOR, CONSOLE = "lab.sock", "console.log"
"""Files that QEMU makes, in a directory where its user may."""

_UNBUFFERED = "/usr/lib*/coreutils/libstdbuf.so"


def domain_xml(
    spec: MachineSpec,
    disks: Sequence[LabDisk],
    made_by_qemu: Path,
    guest: GuestFiles | None,
    *,
    kind: str = "qemu",
    agent: bool = True,
    root: Path | None = None,
) -> str:
    """Return the XML of a domain.

    Beside libvirt's monitor QEMU gets one of the lab's own: it answers while libvirt
    holds the domain's lock, and while there is no libvirtd.
    """
    ET.register_namespace("qemu", _QEMU)
    domain = ET.Element("domain", type=kind)
    _text(domain, "name", spec.name)
    _text(domain, "uuid", spec.uuid)
    _text(domain, "memory", str(_memory_mib(spec)), unit="MiB")
    if spec.iothreads:
        _text(domain, "iothreads", str(len(disks)))
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine="pc")
    if guest is not None:
        _text(system, "kernel", str(guest.kernel))
        _text(system, "initrd", str(guest.initramfs))
        _text(system, "cmdline", kernel_words(spec))
        ET.SubElement(ET.SubElement(domain, "features"), "acpi")
        ET.SubElement(domain, "cpu", mode="maximum")
    _text(domain, "on_reboot", "destroy")
    devices = ET.SubElement(domain, "devices")
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(devices, "memballoon", model="none")
    for number, disk in enumerate(disks, start=1):
        _disk(devices, disk, number if spec.iothreads else 0)
    if agent:
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "target", type="virtio", name=AGENT_CHANNEL)
    if guest is not None:
        _seen(devices, made_by_qemu)
    _command_line(domain, made_by_qemu, root)
    # with it libvirt asks for 400 features of the processor, each by a command of its
    # own: three quarters of the time that a start takes
    less = ET.SubElement(domain, f"{{{_QEMU}}}capabilities")
    ET.SubElement(less, f"{{{_QEMU}}}del", capability="cpu-unavailable-features")
    return ET.tostring(domain, encoding="unicode")


def _memory_mib(spec: MachineSpec) -> int:
    return spec.memory_mib or (256 if spec.guest else 16)


def _disk(devices: ET.Element, disk: LabDisk, iothread: int) -> None:
    """The active image alone: libvirt reads the names of those below from headers."""
    path, image_format = disk.chain[-1]
    element = ET.SubElement(devices, "disk", type="file", device="disk")
    driver = ET.SubElement(element, "driver", name="qemu", type=image_format)
    driver.set("discard", "unmap")
    if iothread:
        driver.set("iothread", str(iothread))
    ET.SubElement(element, "source", file=str(path))
    ET.SubElement(element, "target", dev=disk.target, bus="virtio")


def _seen(devices: ET.Element, made_by_qemu: Path) -> None:
    """What a guest shows: its console, and a screen to take pictures of."""
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(made_by_qemu / CONSOLE))
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga")


def _command_line(domain: ET.Element, made_by_qemu: Path, root: Path | None) -> None:
    """The lab's monitor, and a standard output that does not wait for a full buffer."""
    line = ET.SubElement(domain, f"{{{_QEMU}}}commandline")
    path = str(made_by_qemu / MONITOR).replace(",", ",,")
    for word in (
        *("-chardev", f"socket,id=lab,path={path},server=on,wait=off"),
        *("-mon", "chardev=lab,mode=control"),
    ):
        ET.SubElement(line, f"{{{_QEMU}}}arg", value=word)
    top = root or Path("/")
    for library in top.glob(_UNBUFFERED.lstrip("/")):
        preload = f"/{library.relative_to(top)}"
        ET.SubElement(line, f"{{{_QEMU}}}env", name="LD_PRELOAD", value=preload)
        ET.SubElement(line, f"{{{_QEMU}}}env", name="_STDBUF_O", value="0")


def _text(above: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(above, tag, attributes).text = text

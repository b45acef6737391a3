"""What libvirt is told of a lab machine."""

import xml.etree.ElementTree as ET
from pathlib import Path

from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import LabDisk
from vmsnap_tui.lab.domain_xml import domain_xml
from vmsnap_tui.lab.guest import GuestFiles

_DISK = LabDisk("vda", ((Path("/d/a.qcow2"), "qcow2"), (Path("/d/b&c.qcow2"), "qcow2")))


def _tree(spec: MachineSpec, guest: GuestFiles | None = None) -> ET.Element:
    return ET.fromstring(domain_xml(spec, (_DISK,), Path("/d/qemu"), guest))


def test_a_paused_machine_is_small() -> None:
    tree = _tree(MachineSpec("web-01"))
    assert tree.findtext("memory") == "16"
    assert tree.find("os/kernel") is None
    assert tree.get("type") == "qemu"


def test_the_active_image_alone_is_named() -> None:
    (source,) = _tree(MachineSpec("web-01")).iterfind("devices/disk/source")
    assert source.get("file") == "/d/b&c.qcow2"


def test_a_guest_boots_its_kernel() -> None:
    guest = GuestFiles(Path("/k"), Path("/i"))
    tree = _tree(MachineSpec("web-01", guest=True, writes_per_s=9), guest)
    assert (tree.findtext("os/kernel"), tree.findtext("os/initrd")) == ("/k", "/i")
    assert "vmsnap.writes_per_s=9" in (tree.findtext("os/cmdline") or "")
    assert tree.findtext("memory") == "256"


def test_each_disk_has_its_thread_where_threads_are_asked_for() -> None:
    tree = _tree(MachineSpec("web-01", iothreads=True))
    assert tree.findtext("iothreads") == "1"
    (driver,) = tree.iterfind("devices/disk/driver")
    assert driver.get("iothread") == "1"

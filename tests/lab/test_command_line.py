"""The command line is what libvirt or an operator would have written."""

import json
from pathlib import Path

from vmsnap_tui.lab.command_line import MachineSpec, qemu_arguments
from vmsnap_tui.lab.disks import LabDisk

_CHAIN = LabDisk("vda", ((Path("/i/base.raw"), "raw"), (Path("/i/top.qcow2"), "qcow2")))


def _after(option: str, arguments: list[str]) -> list[str]:
    return [
        value
        for name, value in zip(arguments, arguments[1:], strict=False)
        if name == option
    ]


def test_every_node_of_a_chain_has_its_name() -> None:
    spec = MachineSpec("web-01")
    arguments = qemu_arguments(spec, Path("/m"), (_CHAIN,), None, 7)
    nodes = [json.loads(each) for each in _after("-blockdev", arguments)]
    assert [node["node-name"] for node in nodes] == [
        "vda-b1-p",
        "vda-b1",
        "vda-p",
        "vda",
    ]
    assert nodes[3]["backing"] == "vda-b1"
    assert "backing" not in nodes[1], "raw has none"
    assert [node.get("read-only", False) for node in nodes] == [
        True,
        True,
        False,
        False,
    ]
    assert "virtio-blk-pci,drive=vda,id=vda" in arguments


def test_commas_do_not_part_a_name_or_a_path() -> None:
    spec = MachineSpec("web,01", style="drive")
    disk = LabDisk("vda", ((Path("/i/a,b.raw"), "raw"),))
    arguments = qemu_arguments(spec, Path("/m,1"), (disk,), None, 7)
    assert _after("-name", arguments) == ["guest=web,,01"]
    assert _after("-drive", arguments)[0].startswith("file=/i/a,,b.raw,")
    assert _after("-qmp", arguments) == ["unix:/m,,1/qmp.sock,server=on,wait=off"]


def test_the_same_name_has_the_same_uuid() -> None:
    assert MachineSpec("web-01").uuid == MachineSpec("web-01").uuid
    assert MachineSpec("web-01").uuid != MachineSpec("db-01").uuid

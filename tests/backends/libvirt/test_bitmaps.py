"""QEMU's own account of the images, held against libvirt's."""

import json
from typing import Any

import pytest

from vmsnap_tui.backends.libvirt.bitmaps import (
    file_of,
    inspected,
    parse_blocks,
    parse_nodes,
)
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.vm import Capabilities, Vm, VmState

_TOP_NAME = "json:" + json.dumps(
    {
        "driver": "qcow2",
        "backing": {"driver": "qcow2", "file": {"filename": "/img/base"}},
        "file": {"driver": "file", "filename": "/img/top"},
    }
)


def _node(name: str, file: str, *bitmaps: str, drv: str = "qcow2") -> dict[str, Any]:
    found = [
        {"name": each, "count": 65536, "granularity": 65536, "recording": True}
        for each in bitmaps
    ]
    image = {"filename": file, "virtual-size": 64, "actual-size": 8}
    return {"node-name": name, "drv": drv, "image": image, "dirty-bitmaps": found}


def _block(qdev: str, top: dict[str, Any], *below: str) -> dict[str, Any]:
    image: dict[str, Any] | None = None
    for file in reversed((top["image"]["filename"], *below)):
        image = {"filename": file, **({"backing-image": image} if image else {})}
    return {"device": "", "qdev": qdev, "inserted": {**top, "image": image}}


_TOP = _node("libvirt-2-format", _TOP_NAME, "cp1", "foreign", "")
_BASE = _node("libvirt-1-format", "/img/base", "cp1")
_QDEV = "/machine/peripheral/virtio-disk0/virtio-backend"
_BLOCK = _block(_QDEV, _TOP, "/img/base")


def _image(path: str, node: str) -> Image:
    return Image(path, "qcow2", node, 0, 0, read_only=False)


def _vm() -> Vm:
    chain = (_image("/img/top", "vda"), _image("/img/base", "vda[1]"))
    disks = (Disk("vda", "virtio-disk0", chain), Disk("hda", "ide0", ()))
    return Vm(
        "web", "", "x", VmState.RUNNING, "", disks, (), None, Capabilities((0,) * 3)
    )


def _inspected(
    nodes: list[dict[str, Any]],
    block: dict[str, Any] | None = None,
    indexes: dict[str, int] | None = None,
) -> Disk:
    vm = inspected(
        _vm(),
        {"vda": 2, "vda[1]": 1} if indexes is None else indexes,
        parse_nodes(json.dumps({"return": nodes, "id": "libvirt-1"})),
        parse_blocks(json.dumps({"return": [block or _BLOCK, {"device": "fd"}]})),
    )
    assert vm.disks[1] == _vm().disks[1]
    return vm.disks[0]


def test_every_bitmap_of_every_image_is_found() -> None:
    disk = _inspected([_TOP, _BASE, _node("libvirt-2-storage", "/img/top", drv="file")])
    names = [[bitmap.name for bitmap in image.bitmaps] for image in disk.chain]
    assert names == [["cp1", "foreign"], ["cp1"]]
    assert disk.active.bitmaps[0].dirty_bytes == 65536
    assert all(image.bitmaps_known for image in disk.chain)
    assert (disk.virtual_bytes, disk.allocated_bytes) == (64, 16)
    assert disk.differs == ""


def test_images_are_found_by_their_files_where_nodes_have_other_names() -> None:
    top, base = {**_TOP, "node-name": "a"}, {**_BASE, "node-name": "b"}
    disk = _inspected([top, base], _block(_QDEV, top, "/img/base"), {})
    assert [len(image.bitmaps) for image in disk.chain] == [2, 1]
    assert disk.differs == ""


def test_an_image_that_qemu_has_not_is_told_and_its_bitmaps_are_unknown() -> None:
    disk = _inspected([_TOP])
    assert disk.differs == "QEMU has no image /img/base"
    assert [image.bitmaps_known for image in disk.chain] == [True, False]


def test_another_image_on_top_is_told() -> None:
    other = _node("overlay", "/img/other")
    disk = _inspected([_TOP, _BASE, other], _block(_QDEV, other, "/img/top"))
    assert "on top is the qcow2 node overlay, and not /img/top" in disk.differs


def test_another_chain_below_is_told() -> None:
    disk = _inspected([_TOP, _BASE], _block(_QDEV, _TOP, "/img/mid", "/img/base"))
    assert "QEMU's chain is /img/top on /img/mid on /img/base" in disk.differs


def test_a_device_without_a_medium_is_told() -> None:
    disk = _inspected([_TOP, _BASE], _block("/machine/peripheral/other", _TOP))
    assert disk.differs == "QEMU knows no device virtio-disk0 with a medium"


def test_another_format_is_told() -> None:
    raw = {**_BASE, "drv": "raw"}
    assert "as raw, not as qcow2" in _inspected([_TOP, raw]).differs


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/img/a", "/img/a"),
        (_TOP_NAME, "/img/top"),
        ('json:{"driver":"qcow2","file":{"file":{"filename":"/x"}}}', "/x"),
        ('json:{"driver":"nbd","server":{}}', ""),
        ("json:[1]", ""),
        ("json:{", ""),
        ('json:{"filename":7}', ""),
        ("nbd://h/x", "nbd://h/x"),
    ],
)
def test_the_file_behind_a_name(name: str, file: str) -> None:
    assert file_of(name) == file


def test_a_refusal_of_qemus_is_told_in_its_words() -> None:
    refused = json.dumps({"error": {"class": "GenericError", "desc": "not now"}})
    with pytest.raises(StepFailed) as raised:
        parse_nodes(refused)
    assert "not now" in raised.value.evidence


@pytest.mark.parametrize("text", ["", "[]", '{"return":[{"node-name":3}]}', "{}"])
def test_an_answer_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(StepFailed):
        parse_nodes(text)

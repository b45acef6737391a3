"""QEMU's own account of a domain's images: every bitmap, and the graph as it is.

libvirt tells its checkpoints alone. What else stands in the images (bitmaps of other
tools, and those whose checkpoint is gone) only QEMU can tell, by `query-block` and
`query-named-block-nodes`; no I/O here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec

from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.vm import Vm

NODES = '{"execute":"query-named-block-nodes","arguments":{"flat":true}}'
BLOCKS = '{"execute":"query-block"}'


class _Reply(msgspec.Struct, frozen=True, rename="kebab"):
    """QAPI spells its members with hyphens."""


class _Dirty(_Reply, frozen=True):
    name: str = ""
    """Absent on a job's own."""
    count: int = 0
    granularity: int = 0
    recording: bool = False
    busy: bool = False
    persistent: bool = False
    inconsistent: bool = False


class _ImageInfo(_Reply, frozen=True):
    filename: str
    virtual_size: int = 0
    actual_size: int = 0
    backing_image: "_ImageInfo | None" = None


class Node(_Reply, frozen=True):
    """An element of `query-named-block-nodes`, and what a device has inserted."""

    image: _ImageInfo
    drv: str
    node_name: str = ""
    dirty_bitmaps: tuple[_Dirty, ...] = ()


class Block(_Reply, frozen=True):
    """An element of `query-block`."""

    device: str = ""
    qdev: str = ""
    inserted: Node | None = None


class _Answer(msgspec.Struct, frozen=True):
    payload: msgspec.Raw = msgspec.field(name="return", default=msgspec.Raw(b""))
    error: dict[str, str] | None = None


T = TypeVar("T")


def _understood(kind: type[T], text: str) -> T:
    try:
        answer = msgspec.json.decode(text, type=_Answer)
        if answer.error is not None:
            raise StepFailed(
                "QEMU refused to tell of its images",
                evidence=answer.error.get("desc", ""),
                remedy="see QEMU's version; nothing was changed",
            )
        return msgspec.json.decode(answer.payload, type=kind)
    except msgspec.DecodeError as error:
        raise StepFailed(
            "QEMU's answer is not understood",
            evidence=str(error),
            remedy="report it with the version of QEMU",
        ) from None


def parse_nodes(text: str) -> tuple[Node, ...]:
    """The nodes. Raises StepFailed when QEMU answered with an error."""
    return _understood(tuple[Node, ...], text)


def parse_blocks(text: str) -> tuple[Block, ...]:
    """The devices. Raises StepFailed when QEMU answered with an error."""
    return _understood(tuple[Block, ...], text)


def inspected(
    vm: Vm, indexes: dict[str, int], nodes: Iterable[Node], blocks: Iterable[Block]
) -> Vm:
    """The machine with every bitmap of every image, and `differs` where the graph is
    not what libvirt's definition says. `indexes` are libvirt's numbers of the images,
    by `Image.node`."""
    named = {node.node_name: node for node in nodes}
    tops = tuple(block for block in blocks if block.inserted)
    disks = (_inspected(disk, indexes, named, tops) for disk in vm.disks)
    return replace(vm, disks=tuple(disks))


def _inspected(
    disk: Disk,
    indexes: dict[str, int],
    named: dict[str, Node],
    tops: tuple[Block, ...],
) -> Disk:
    if not disk.chain:
        return disk
    found = [_node(image, indexes.get(image.node), named) for image in disk.chain]
    missing = [
        image.path
        for image, node in zip(disk.chain, found, strict=True)
        if node is None
    ]
    if missing:
        differs = f"QEMU has no image {', '.join(missing)}"
    else:
        differs = _differs(disk, tuple(filter(None, found)), tops)
    chain = tuple(map(_with_bitmaps, disk.chain, found))
    return replace(disk, chain=chain, differs=differs)


def _node(image: Image, index: int | None, named: dict[str, Node]) -> Node | None:
    """By libvirt's names of nodes; where they are other ones, by the only node of the
    image's format that has its file."""
    if index is not None:
        # newer libvirts put no format node on a raw image
        for name in (f"libvirt-{index}-format", f"libvirt-{index}-storage"):
            if name in named:
                return named[name]
    same = [
        node
        for node in named.values()
        if file_of(node.image.filename) == image.path and node.drv == image.format
    ]
    return same[0] if len(same) == 1 else None


def _with_bitmaps(image: Image, node: Node | None) -> Image:
    if node is None:
        return replace(image, bitmaps=(), bitmaps_known=False)
    return replace(
        image,
        bitmaps=tuple(_bitmap(b) for b in node.dirty_bitmaps if b.name),
        bitmaps_known=True,
        virtual_bytes=node.image.virtual_size,
        allocated_bytes=node.image.actual_size,
    )


def _bitmap(dirty: _Dirty) -> Bitmap:
    return Bitmap(
        name=dirty.name,
        granularity_bytes=dirty.granularity,
        dirty_bytes=dirty.count,
        recording=dirty.recording,
        busy=dirty.busy,
        inconsistent=dirty.inconsistent,
        persistent=dirty.persistent,
    )


def _differs(disk: Disk, nodes: tuple[Node, ...], tops: tuple[Block, ...]) -> str:
    """Held against what the device really has on top, and the files below it."""
    top = next((b.inserted for b in tops if _is_of(b, disk.device)), None)
    if top is None:
        return f"QEMU knows no device {disk.device} with a medium"
    if top.node_name != nodes[0].node_name:
        name = top.node_name or "without a name"
        return f"on top is the {top.drv} node {name}, and not {disk.active.path}"
    for image, found in zip(disk.chain, nodes, strict=True):
        if found.drv != image.format:
            return f"QEMU opens {image.path} as {found.drv}, not as {image.format}"
    real, said = list(_files(top.image)), [image.path for image in disk.chain]
    if all(path.startswith("/") for path in (*real, *said)) and real != said:
        return f"QEMU's chain is {' on '.join(real)}, libvirt's {' on '.join(said)}"
    return ""


def _is_of(block: Block, alias: str) -> bool:
    """libvirt's alias is the id of the device, which QEMU tells as it is (`ide0-0-0`)
    or in a path of objects (`/machine/peripheral/virtio-disk0/virtio-backend`)."""
    return bool(alias) and alias in (block.device, *block.qdev.split("/"))


def _files(image: _ImageInfo | None) -> Iterator[str]:
    while image is not None:
        yield file_of(image.filename)
        image = image.backing_image


def file_of(name: str) -> str:
    """The file behind a name of QEMU's: where a node was opened by more than its file,
    `json:{…}` tells all of it. Empty where it is no file at all."""
    if not name.startswith("json:"):
        return name
    try:
        found = msgspec.json.decode(name.removeprefix("json:"))
    except msgspec.DecodeError:
        return ""
    while isinstance(found, dict) and "filename" not in found:
        found = found.get("file")
    path = found.get("filename") if isinstance(found, dict) else None
    return path if isinstance(path, str) else ""

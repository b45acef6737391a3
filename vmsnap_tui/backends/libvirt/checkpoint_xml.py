"""A checkpoint by libvirt's word, and what it vouches for on each disk.

Asked with VIR_DOMAIN_CHECKPOINT_XML_SIZE, libvirt merges the bitmaps of the whole
chain and counts; a disk gets a `size` only where they are all there and sound.
"""

import re
from dataclasses import dataclass
from sys import intern
from xml.etree import ElementTree

from vmsnap_tui.backends.libvirt.moments import created_utc
from vmsnap_tui.model.checkpoint import Checkpoint, Record

BROKEN = "the record of changes is missing or broken"
_OPERATION = re.compile(r"vmsnap-tui operation ([0-9a-f]{12})(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class TrackedDisk:
    """`dirty_bytes` is None where libvirt did not count."""

    target: str
    bitmap: str
    dirty_bytes: int | None


@dataclass(frozen=True, slots=True)
class CheckpointXml:
    checkpoint: Checkpoint
    disks: tuple[TrackedDisk, ...]


def parse_checkpoint(xml: str, *, current: bool = False) -> CheckpointXml:
    """The checkpoint. Raises ElementTree.ParseError when it is no XML."""
    root = ElementTree.fromstring(xml)
    disks = tuple(
        TrackedDisk(
            target=intern(disk.get("name", "")),
            bitmap=disk.get("bitmap", ""),
            dirty_bytes=_size(disk.get("size")),
        )
        for disk in root.iterfind("disks/disk")
        if disk.get("checkpoint") == "bitmap"
    )
    checkpoint = Checkpoint(
        name=root.findtext("name", ""),
        created_utc=created_utc(root),
        disks=tuple(disk.target for disk in disks),
        parent=root.findtext("parent/name", ""),
        description=root.findtext("description", ""),
        current=current,
    )
    return CheckpointXml(checkpoint, disks)


def asked_record(name: str, disk: TrackedDisk) -> Record:
    """What libvirt answered for one disk when asked with SIZE."""
    if disk.dirty_bytes is None:
        return Record(name, broken=BROKEN)
    return Record(name, disk.dirty_bytes)


def operation_of(description: str) -> str | None:
    """The operation of ours that made a checkpoint of this description, or None."""
    found = _OPERATION.match(description)
    return found[1] if found else None


def _size(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None

"""A snapshot by libvirt's word."""

from sys import intern
from xml.etree import ElementTree

from vmsnap_tui.backends.libvirt.domain_xml import source_path
from vmsnap_tui.backends.libvirt.moments import created_utc
from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind


def parse_snapshot(xml: str, *, current: bool = False) -> Snapshot:
    """The snapshot. Raises ElementTree.ParseError when it is no XML."""
    root = ElementTree.fromstring(xml)
    memory = root.find("memory")
    kept = memory.get("snapshot", "no") if memory is not None else "no"
    return Snapshot(
        name=root.findtext("name", ""),
        created_utc=created_utc(root),
        state=intern(root.findtext("state", "")),
        disks=tuple(_disk(disk) for disk in root.iterfind("disks/disk")),
        parent=root.findtext("parent/name", ""),
        description=root.findtext("description", ""),
        memory=kept in ("internal", "external"),
        current=current,
    )


def _disk(disk: ElementTree.Element) -> SnapshotDisk:
    kind = _kind(disk.get("snapshot", ""))
    file = ""
    if kind is SnapshotKind.EXTERNAL:
        file = source_path(disk.find("source"), disk.get("type", "file"))
    return SnapshotDisk(intern(disk.get("name", "")), kind, file)


def _kind(word: str) -> SnapshotKind:
    """`manual` (libvirt 11.9) is one that somebody makes in the storage: not here."""
    try:
        return SnapshotKind(word)
    except ValueError:
        return SnapshotKind.NONE

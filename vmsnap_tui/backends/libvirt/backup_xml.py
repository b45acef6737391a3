"""A backup that runs, by libvirt's word (`virDomainBackupGetXMLDesc`)."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from sys import intern
from xml.etree import ElementTree

from vmsnap_tui.backends.libvirt.domain_xml import source_path


@dataclass(frozen=True, slots=True)
class BackupDisk:
    """`file` is the target of a push, the scratch of a pull; `incremental` the
    checkpoint that it starts from, empty for a full."""

    target: str
    file: str
    incremental: str = ""


@dataclass(frozen=True, slots=True)
class BackupXml:
    """`mode` is push or pull; disks that take no part are left out."""

    mode: str
    incremental: str
    disks: tuple[BackupDisk, ...]

    def disk(self, target: str) -> BackupDisk | None:
        return next((d for d in self.disks if d.target == target), None)

    @property
    def point(self) -> str:
        """The id of the point that is being made, if all targets lie where a
        repository keeps a point that is not finished (`tmp/<id>/`); else empty."""
        if self.mode != "push" or not self.disks:
            return ""
        directories = {PurePosixPath(disk.file).parent for disk in self.disks}
        directory = directories.pop()
        if directories or directory.parent.name != "tmp":
            return ""
        return directory.name


def parse_backup(xml: str) -> BackupXml:
    """The backup. Raises ElementTree.ParseError when it is no XML."""
    root = ElementTree.fromstring(xml)
    mode = intern(root.get("mode", "push"))
    incremental = root.findtext("incremental", "")
    return BackupXml(
        mode,
        incremental,
        tuple(
            _disk(disk, "target" if mode == "push" else "scratch", incremental)
            for disk in root.iterfind("disks/disk")
            if disk.get("backup", "yes") != "no"
        ),
    )


def _disk(disk: ElementTree.Element, holder: str, incremental: str) -> BackupDisk:
    """A disk's own mode goes before the backup's (libvirt tells both from 7.3 on)."""
    since = disk.get("incremental", incremental)
    return BackupDisk(
        target=intern(disk.get("name", "")),
        file=source_path(disk.find(holder), disk.get("type", "file")),
        incremental="" if disk.get("backupmode") == "full" else since,
    )

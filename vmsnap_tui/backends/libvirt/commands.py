"""The XML that each effect gives libvirt, and the `virsh` lines that would do the same.

Built purely, by an XML writer: names of machines, disks and files are untrusted text.
"""

import re
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.job import JOB_PREFIX, job_id
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm

MARK_PREFIX = "vmsnap"
SCRATCH_SUFFIX = "-scratch"
"""Of the names that are a mark here, and no checkpoint."""
_STAMP = re.compile(r"(\d{8})T(\d{6})Z", re.ASCII)


def mark_uri(scratch_bitmap: str) -> str:
    """The name of the element in the running domain's metadata that stands for the
    scratch bitmaps of one operation: it dies with this run of QEMU."""
    return f"urn:vmsnap-tui:{scratch_bitmap}"


def mark(instant: BackupInstant, domain_id: int, began_s: float | None = None) -> str:
    """`run` is libvirt's number of this run: a saved machine takes its metadata along
    into the next one. `began` is when libvirt was told to begin, by the wall clock."""
    element = Element("backup", operation=instant.operation, run=str(domain_id))
    if began_s is not None:
        element.set("began", f"{began_s:.3f}")
    return _text(element)


def mark_run(xml: str) -> int | None:
    """The run that a mark was made in; None where it is none of ours."""
    run = _mark_word(xml, "run")
    return int(run) if run.isascii() and run.isdigit() else None


def mark_began_s(xml: str) -> float | None:
    """When the mark's backup began, None where it does not say."""
    try:
        return float(_mark_word(xml, "began"))
    except ValueError:
        return None


def _mark_word(xml: str, name: str) -> str:
    try:
        return ElementTree.fromstring(xml).get(name, "")
    except ElementTree.ParseError:
        return ""


def job_suffix(target: str) -> str:
    """What the id of every job on this disk ends with."""
    return job_id("", target).removeprefix(JOB_PREFIX)


def tracked(instant: BackupInstant) -> tuple[DiskInstant, ...]:
    """The disks whose changes are recorded from the instant on."""
    return tuple(disk for disk in instant.disks if disk.bitmap)


def backup_xml(instant: BackupInstant) -> str:
    """A push into our own files; libvirt leaves disks out that are not named."""
    root = Element("domainbackup", mode="push")
    disks = SubElement(root, "disks")
    for part in instant.disks:
        disk = SubElement(disks, "disk", name=part.target, backup="yes", type="file")
        match part.level:
            case DiskLevel.FULL:
                disk.set("backupmode", "full")
            case DiskLevel.INCREMENTAL:
                disk.set("backupmode", "incremental")
                disk.set("incremental", part.merge[0].bitmap)
        SubElement(disk, "driver", type="qcow2")
        SubElement(disk, "target", file=part.file)
    return _text(root)


def checkpoint_xml(instant: BackupInstant) -> str:
    """The checkpoint of the instant, or nothing where no disk can be tracked."""
    parts = tracked(instant)
    if not parts:
        return ""
    root = Element("domaincheckpoint")
    SubElement(root, "name").text = parts[0].bitmap
    SubElement(root, "description").text = f"vmsnap-tui operation {instant.operation}"
    _checkpoint_disks(root, (part.target for part in parts))
    return _text(root)


def adopted_xml(name: str, targets: Iterable[str], domain_xml: str) -> str:
    """A checkpoint as libvirt wants it back: with its time, and the domain's definition
    inside. The time is that of the point in its name, else now."""
    root = Element("domaincheckpoint")
    SubElement(root, "name").text = name
    SubElement(root, "description").text = "vmsnap-tui: adopted"
    SubElement(root, "creationTime").text = str(_created_s(name))
    _checkpoint_disks(root, targets)
    root.append(ElementTree.fromstring(domain_xml))
    return _text(root)


def _checkpoint_disks(root: Element, targets: Iterable[str]) -> None:
    disks = SubElement(root, "disks")
    for target in targets:
        SubElement(disks, "disk", name=target, checkpoint="bitmap")


def _created_s(name: str) -> int:
    found = _STAMP.search(name)
    if found is not None:
        try:
            stamp = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S")
        except ValueError:
            return 0
        return int(stamp.replace(tzinfo=UTC).timestamp())
    return 0


def _text(root: Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


class LibvirtWire:
    """The previews of a plan: `virsh` lines to copy, with the XML as here-documents.

    What QEMU's user is granted has no `virsh` for it: `setfacl` says the same.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def definition(self, vm: Vm) -> tuple[str, ...]:
        return (self._virsh("dumpxml", vm.uuid, "--security-info"),)

    def attach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        uri = mark_uri(instant.disks[0].scratch_bitmap)
        words = ["metadata", vm.uuid, uri, "--live", "--key", MARK_PREFIX]
        grants = (
            shlex.join(["setfacl", "-m", "u:QEMU_USER:rw", disk.file])
            for disk in instant.disks
        )
        return (*grants, self._virsh(*words, "--set", "<backup/>"))

    def start_backup(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        words = ["backup-begin", vm.uuid, "--reuse-external", "--backupxml"]
        line = f"{self._virsh(*words)} /dev/fd/3"
        documents = [backup_xml(instant)]
        checkpoint = checkpoint_xml(instant)
        if checkpoint:
            line += " --checkpointxml /dev/fd/4"
            documents.append(checkpoint)
        begun = _with_documents(line, documents)
        return (begun, *self._speeds(vm, instant))

    def finalize_jobs(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return (self._virsh("domjobinfo", vm.uuid, "--completed", "--keep-completed"),)

    def detach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(
            shlex.join(["setfacl", "-b", disk.file]) for disk in instant.disks
        ) + tuple(shlex.join(["chmod", "0600", disk.file]) for disk in instant.disks)

    def drop_bitmaps(
        self, vm: Vm, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        names = dict.fromkeys(name for _, name in bitmaps)
        return tuple(self._drop(vm, name) for name in names)

    def freeze(self, vm: Vm) -> tuple[str, ...]:
        return (self._virsh("domfsfreeze", vm.uuid),)

    def thaw(self, vm: Vm) -> tuple[str, ...]:
        return (self._virsh("domfsthaw", vm.uuid),)

    def adopt_checkpoint(
        self, vm: Vm, name: str, targets: tuple[str, ...]
    ) -> tuple[str, ...]:
        domain = _text(Element("domain"))
        words = ["checkpoint-create", vm.uuid, "--redefine", "--redefine-validate"]
        line = f"{self._virsh(*words)} /dev/fd/3"
        return (_with_documents(line, [adopted_xml(name, targets, domain)]),)

    def _drop(self, vm: Vm, name: str) -> str:
        if name.endswith(SCRATCH_SUFFIX):
            words = ["metadata", vm.uuid, mark_uri(name), "--live", "--remove"]
            return self._virsh(*words)
        return self._virsh("checkpoint-delete", vm.uuid, name)

    def _speeds(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        if not instant.speed_bytes_per_s:
            return ()
        speed = str(instant.speed_bytes_per_s)
        return tuple(
            self._virsh(
                "blockjob", vm.uuid, disk.target, "--bytes", "--bandwidth", speed
            )
            for disk in instant.disks
        )

    def _virsh(self, *words: str) -> str:
        return shlex.join(["virsh", "-c", self._uri, *words])


def _with_documents(line: str, documents: list[str]) -> str:
    """The line, and each document for the shell to hand over as a file."""
    heads, lines = [line], []
    for number, document in enumerate(documents, 3):
        text, end = _indented(document), f"XML{number}"
        while end in text:
            end += "_"
        heads.append(f"{number}<<'{end}'")
        lines += [text, end]
    return "\n".join([" ".join(heads), *lines])


def _indented(document: str) -> str:
    root = ElementTree.fromstring(document)
    ElementTree.indent(root)
    return _text(root)

"""What a domain is by libvirt's word: its disks, their chains, its agent's channel.

The live XML of a running domain holds the whole chain of each disk, with the number
that libvirt gave each image (`vda[3]`). That of a domain that is off holds the active
image, and of those below it what was written down at some time. All names in it are
untrusted text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from sys import intern
from xml.etree import ElementTree

AGENT_CHANNEL = "org.qemu.guest_agent.0"
MARKS = "urn:vmsnap-tui:"
_OPERATION = re.compile("[0-9a-f]{12}", re.ASCII)
_VERSION = re.compile(r"-(\d+)\.(\d+)$", re.ASCII)
_LAYERS_LIMIT = 1000
"""libvirt itself takes 200."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a chain; `index` is None where libvirt gave it no number."""

    path: str
    format: str
    index: int | None
    kind: str
    """Of its source: file, block, network, volume, …"""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy or an active commit under way; it waits for its pivot once `ready`."""

    job: str
    path: str
    index: int | None
    ready: bool


@dataclass(frozen=True, slots=True)
class DiskDefinition:
    """`layers` run from the active image down, and are empty without a medium; `whole`
    is whether the last of them is told to stand on nothing."""

    target: str
    device: str
    """disk, cdrom, floppy or lun."""
    kind: str
    alias: str
    layers: tuple[Layer, ...]
    read_only: bool = False
    shareable: bool = False
    mirror: Mirror | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Definition:
    """`domain_id` is that of this run, None of a domain that is off.

    `agent` is the state of the agent's channel, empty where libvirt does not tell it,
    None where there is no channel. `dac_label` is whom QEMU runs as (`+64055:+64055`).
    `marks` are the operations of ours that its metadata tells of, by their URI.
    """

    name: str
    uuid: str
    domain_id: int | None
    machine: str = ""
    disks: tuple[DiskDefinition, ...] = ()
    agent: str | None = None
    dac_label: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    uefi: bool = False
    io_threads: bool = False
    """Some disk, or a disk's controller, is served by a thread of its own."""
    not_understood: str = ""
    """Why nothing but name and UUID is known, where the XML is broken."""

    @property
    def machine_version(self) -> tuple[int, int]:
        """Of the machine type: the QEMU that runs it is no older. (0, 0) where the
        type carries none of QEMU's own."""
        found = _VERSION.search(self.machine)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def marked(self, point: str) -> str | None:
        """The operation of ours that makes this point, by its mark; or None."""
        end = f"-{point}-scratch"
        return next((o for uri, o in self.marks if uri.endswith(end)), None)

    def disk(self, target: str) -> DiskDefinition | None:
        return next((d for d in self.disks if d.target == target), None)


def parse_domain(xml: str) -> Definition:
    """The definition. Raises ElementTree.ParseError when it is no XML."""
    root = ElementTree.fromstring(xml)
    system = root.find("os")
    kind = None if system is None else system.find("type")
    # plain loops: a thousand domains are parsed for the first screen
    devices = _children(root, "devices")
    return Definition(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        domain_id=_number(root.get("id", "")),
        machine=intern(_attribute(kind, "machine")),
        disks=tuple([_disk(found) for found in devices if found.tag == "disk"]),
        agent=_agent(devices),
        dac_label=_dac_label(root),
        marks=tuple(_marks(root)),
        uefi=_has_uefi(system),
        io_threads=any(_has_thread(device.find("driver")) for device in devices),
    )


def _has_thread(driver: ElementTree.Element | None) -> bool:
    if driver is None:
        return False
    return "iothread" in driver.attrib or driver.find("iothreads") is not None


def _disk(disk: ElementTree.Element) -> DiskDefinition:
    layers = tuple(_layers(disk))
    return DiskDefinition(
        target=intern(_attribute(disk.find("target"), "dev")),
        device=intern(disk.get("device", "disk")),
        kind=intern(disk.get("type", "file")),
        alias=intern(_attribute(disk.find("alias"), "name")),
        layers=layers,
        read_only=disk.find("readonly") is not None,
        shareable=disk.find("shareable") is not None,
        mirror=_mirror(disk.find("mirror")),
        whole=_is_whole(disk, layers),
    )


def _is_whole(disk: ElementTree.Element, layers: tuple[Layer, ...]) -> bool:
    """An empty `<backingStore/>` ends a chain; a raw image stands on nothing."""
    if not layers or layers[-1].format == "raw":
        return True
    below = disk.find("/".join(["backingStore"] * len(layers)))
    return below is not None and below.find("source") is None


def _layers(disk: ElementTree.Element) -> Iterator[Layer]:
    """The disk's own source, then each `<backingStore>` within the one before."""
    format_name = _attribute(disk.find("driver"), "type") or "raw"
    holder: ElementTree.Element | None = disk
    index = _index(disk)
    for _ in range(_LAYERS_LIMIT):
        if holder is None:
            return
        kind = holder.get("type", "file")
        path = source_path(holder.find("source"), kind)
        if not path:
            return
        yield Layer(path, intern(format_name), index, intern(kind))
        holder = holder.find("backingStore")
        if holder is not None:
            format_name = _attribute(holder.find("format"), "type") or "raw"
            index = _index(holder)


def source_path(source: ElementTree.Element | None, kind: str) -> str:
    """Where the data is, as QEMU would write it; empty without a medium."""
    if source is None:
        return ""
    match kind:
        case "file" | "block" | "dir":
            names = {"file": "file", "block": "dev", "dir": "dir"}
            return source.get(names[kind], "")
        case "volume":
            pool, volume = source.get("pool", ""), source.get("volume", "")
            return f"{pool}/{volume}" if volume else ""
        case "network":
            return _network_path(source)
        case _:
            return source.get("path") or kind


def _network_path(source: ElementTree.Element) -> str:
    protocol, name = source.get("protocol", "network"), source.get("name", "")
    host = source.find("host")
    if host is None:
        return f"{protocol}:{name}"
    socket = host.get("socket")
    if socket:
        return f"{protocol}+unix:///{name}?socket={socket}"
    where, port = host.get("name", ""), host.get("port", "")
    return f"{protocol}://{where}{':' if port else ''}{port}/{name}"


def _mirror(mirror: ElementTree.Element | None) -> Mirror | None:
    if mirror is None:
        return None
    source = mirror.find("source")
    return Mirror(
        job=intern(mirror.get("job", "copy")),
        path=source_path(source, mirror.get("type", "file")) or mirror.get("file", ""),
        index=_index(mirror),
        ready=mirror.get("ready") in ("yes", "pivot"),
    )


def _index(holder: ElementTree.Element) -> int | None:
    """An active image and a mirror carry it at their source, a backing image itself."""
    return _number(holder.get("index") or _attribute(holder.find("source"), "index"))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _agent(devices: list[ElementTree.Element]) -> str | None:
    for device in devices:
        if device.tag != "channel":
            continue
        target = device.find("target")
        if target is not None and target.get("name") == AGENT_CHANNEL:
            return intern(target.get("state", ""))
    return None


def _marks(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for element in _children(root, "metadata"):
        uri = element.tag[1:].partition("}")[0]
        operation = element.get("operation", "")
        if uri.startswith(MARKS) and _OPERATION.fullmatch(operation):
            yield uri, operation


def _has_uefi(system: ElementTree.Element | None) -> bool:
    """Its variables lie in a file of their own (NVRAM)."""
    if system is None:
        return False
    if system.get("firmware") == "efi":
        return True
    return _attribute(system.find("loader"), "type") == "pflash"


def _dac_label(root: ElementTree.Element) -> str:
    for label in root:
        if label.tag == "seclabel" and label.get("model") == "dac":
            return intern(label.findtext("label", ""))
    return ""


def _children(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    found = root.find(name)
    return [] if found is None else list(found)


def _attribute(element: ElementTree.Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")

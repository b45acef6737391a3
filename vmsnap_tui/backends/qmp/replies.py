"""QEMU's replies as typed values: the one border where they are checked.

Only the members that are used are named (QAPI `block-core`, `job`, `char`, ...); what
a newer QEMU adds is ignored.
"""

from typing import TypeVar

import msgspec

from vmsnap_tui.errors import StepFailed

T = TypeVar("T")


class Reply(msgspec.Struct, frozen=True, rename="kebab"):
    """QAPI spells its members with hyphens."""


class DirtyInfo(Reply, frozen=True):
    name: str = ""
    """Absent on an anonymous bitmap: a job's own."""
    count: int = 0
    granularity: int = 0
    recording: bool = False
    busy: bool = False
    persistent: bool = False
    inconsistent: bool = False


class SpecificData(Reply, frozen=True):
    compat: str = ""


class Specific(Reply, frozen=True):
    type: str = ""
    data: SpecificData = SpecificData()


class ImageInfo(Reply, frozen=True):
    filename: str
    format: str = ""
    virtual_size: int = 0
    actual_size: int = 0
    format_specific: Specific | None = None
    backing_image: "ImageInfo | None" = None


class Inserted(Reply, frozen=True):
    """QAPI `BlockDeviceInfo`; also an element of `query-named-block-nodes`."""

    image: ImageInfo
    drv: str
    ro: bool
    file: str = ""
    node_name: str = ""
    dirty_bitmaps: tuple[DirtyInfo, ...] = ()


class BlockInfo(Reply, frozen=True):
    device: str = ""
    qdev: str = ""
    removable: bool = False
    inserted: Inserted | None = None


class DeviceStats(msgspec.Struct, frozen=True):
    wr_bytes: int = 0
    wr_operations: int = 0
    wr_total_time_ns: int = 0


class BlockStats(Reply, frozen=True):
    device: str = ""
    qdev: str = ""
    stats: DeviceStats = DeviceStats()


class JobInfo(Reply, frozen=True):
    id: str
    type: str
    status: str
    current_progress: int = 0
    total_progress: int = 0
    error: str = ""


class BlockJobInfo(Reply, frozen=True):
    device: str
    speed: int = 0
    io_status: str = "ok"


class ChardevInfo(Reply, frozen=True):
    label: str
    filename: str = ""
    frontend_open: bool | None = None


class StatusInfo(Reply, frozen=True):
    status: str


class VersionNumbers(Reply, frozen=True):
    major: int
    minor: int
    micro: int


class VersionInfo(Reply, frozen=True):
    qemu: VersionNumbers


class NameInfo(Reply, frozen=True):
    name: str = ""


class UuidInfo(msgspec.Struct, frozen=True):
    UUID: str = ""


class GraphNode(Reply, frozen=True):
    id: int
    type: str
    name: str = ""


class GraphEdge(Reply, frozen=True):
    parent: int
    child: int
    name: str


class BlockGraph(Reply, frozen=True):
    """QAPI `XDbgBlockGraph`: the only reply that says which node backs which."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


class QomProperty(Reply, frozen=True):
    name: str
    type: str


class SchemaMember(Reply, frozen=True):
    name: str = ""


class SchemaEntity(Reply, frozen=True):
    name: str
    meta_type: str
    arg_type: str = ""
    members: tuple[SchemaMember, ...] | None = None


def understood(kind: type[T], answer: object, command: str) -> T:
    """The answer as a value. Raises StepFailed when it is not what QAPI promises."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise StepFailed(
            "QEMU's answer is not understood",
            evidence=f"{command}: {error}",
            remedy="report it with the version of QEMU",
        ) from None


def members(schema: tuple[SchemaEntity, ...], command: str) -> frozenset[str]:
    """The names of a command's arguments, from `query-qmp-schema`."""
    named = {entity.name: entity for entity in schema}
    found = named.get(command)
    arguments = named.get(found.arg_type) if found else None
    listed = arguments.members if arguments else None
    return frozenset(member.name for member in listed or ())

"""A domain's definition, and what was seen of it, as a `Vm`; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vmsnap_tui.backends.libvirt.domain_xml import Definition, DiskDefinition, Layer
from vmsnap_tui.backends.libvirt.job_facts import BACKUP
from vmsnap_tui.backends.libvirt.states import is_active, status_words, vm_state
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.disk import Disk, DiskIo, Image
from vmsnap_tui.model.instant import GRANULARITY_BYTES
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.snapshot import Snapshot
from vmsnap_tui.model.vm import Agent, Capabilities, Vm

OFF = "changes cannot be counted while the machine is off"
NOT_YET = "changes were not counted yet in this run of the machine"
DEFINITION = "config.xml"
"""The file of a point that keeps the domain's XML."""
_UNFIT_DEVICES = {
    "cdrom": "CD drive",
    "floppy": "floppy drive",
    "lun": "a SCSI device that the guest drives itself",
}


@dataclass(frozen=True, slots=True)
class Size:
    virtual_bytes: int
    allocated_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the last look at a domain told, beside its definition.

    `run` is the domain's id at that time: of another run nothing is known of the
    records. Sizes go by target and path.
    """

    run: int | None
    sizes: Mapping[tuple[str, str], Size] = field(default_factory=dict)
    io: Mapping[str, DiskIo] = field(default_factory=dict)
    checkpoints: tuple[Checkpoint, ...] | None = None
    snapshots: tuple[Snapshot, ...] | None = None
    records: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    records_stand: bool = True
    """Nothing was heard since that may have made or removed one."""
    without_bitmaps: frozenset[str] = frozenset()

    def virtual_bytes(self, definition: Definition) -> dict[str, int]:
        """Of each disk, as far as it is known."""
        found = {}
        for disk in definition.disks:
            if disk.layers and (disk.target, disk.layers[0].path) in self.sizes:
                size = self.sizes[disk.target, disk.layers[0].path]
                found[disk.target] = size.virtual_bytes
        return found


def portrait(
    definition: Definition,
    seen: tuple[int, int],
    known: Known | None,
    jobs: tuple[Job, ...],
    connection: str,
    capabilities: Capabilities,
) -> Vm:
    """`seen` is the state and its reason, `connection` the URI as it was written."""
    status = status_words(*seen)
    if definition.not_understood:
        status = f"{status}; {definition.not_understood}"
    jobs = jobs if is_active(seen[0]) else ()
    return Vm(
        name=definition.name,
        uuid=definition.uuid,
        connection=connection,
        state=vm_state(*seen),
        status=status,
        disks=_disks(definition, known, jobs, active=is_active(seen[0])),
        jobs=jobs,
        agent=_agent(definition, connection, active=is_active(seen[0])),
        capabilities=capabilities,
        checkpoints=known.checkpoints if known else None,
        snapshots=known.snapshots if known else None,
        definition="" if definition.not_understood else DEFINITION,
    )


def sketch(
    name: str,
    uuid: str,
    seen: tuple[int, int],
    connection: str,
    capabilities: Capabilities,
) -> Vm:
    """A domain whose definition is yet to be read."""
    return Vm(
        name=name,
        uuid=uuid,
        connection=connection,
        state=vm_state(*seen),
        status=status_words(*seen),
        disks=(),
        capabilities=capabilities,
        known=False,
    )


def node_name(target: str, layer: Layer, depth: int) -> str:
    """How libvirt's own calls name an image: `vda`, and `vda[3]` below it."""
    if depth == 0 or layer.index is None:
        return target if depth == 0 else ""
    return f"{target}[{layer.index}]"


def indexes(definition: Definition) -> dict[str, int]:
    """libvirt's numbers of the images, by `Image.node`."""
    return {
        node_name(disk.target, layer, depth): layer.index
        for disk in definition.disks
        for depth, layer in enumerate(disk.layers)
        if layer.index is not None
    }


def _disks(
    definition: Definition, known: Known | None, jobs: tuple[Job, ...], *, active: bool
) -> tuple[Disk, ...]:
    held = {job.target for job in jobs if job.target}
    whole = any(job.kind == BACKUP or not job.target for job in jobs)
    return tuple(
        _disk(
            disk,
            known,
            _records(disk, definition, known, active=active),
            at_work=_at_work(disk, held, whole=whole),
            records_known=_records_known(definition, known),
        )
        for disk in definition.disks
    )


def _disk(
    disk: DiskDefinition,
    known: Known | None,
    records: tuple[Record, ...] | None,
    at_work: str,
    *,
    records_known: bool,
) -> Disk:
    unfit = _unfit(disk)
    return Disk(
        target=disk.target,
        device=disk.alias,
        chain=_chain(disk, known, records),
        chain_known=disk.whole,
        unfit=unfit or at_work,
        unfit_for_now=bool(at_work) and not unfit,
        io=known.io.get(disk.target) if known else None,
        records=records,
        records_known=records_known,
        untracked=_untracked(disk, known),
    )


def _unfit(disk: DiskDefinition) -> str:
    """Why it never takes part; a disk that a job holds is fit again afterwards."""
    if not disk.layers:
        return "no medium"
    if disk.device in _UNFIT_DEVICES:
        return _UNFIT_DEVICES[disk.device]
    if disk.kind == "vhostuser":
        return "another process serves it (vhost-user)"
    return "read-only" if disk.read_only else ""


def _at_work(disk: DiskDefinition, held: set[str], *, whole: bool) -> str:
    """libvirt makes one backup of a domain at a time, whatever disks it takes."""
    if disk.mirror is not None or disk.target in held:
        return "a job is at work on it"
    return "a job is at work on the machine" if whole else ""


def _untracked(disk: DiskDefinition, known: Known | None) -> str:
    if known is not None and disk.target in known.without_bitmaps:
        return "a qcow2 image of version 2 (compat 0.10) has no room for bitmaps"
    if not disk.layers or disk.layers[0].format == "qcow2":
        return ""
    kind = disk.layers[0].format
    return f"libvirt tracks changes in qcow2 images alone, and this is a {kind} one"


def _records(
    disk: DiskDefinition, definition: Definition, known: Known | None, *, active: bool
) -> tuple[Record, ...] | None:
    """None before anything was asked."""
    if known is None or known.checkpoints is None:
        return None
    records = known.records.get(disk.target, ())
    if not active:
        return tuple(replace(r, broken=OFF, asked=False) for r in records)
    if known.run != definition.domain_id:
        return tuple(replace(r, broken=NOT_YET, asked=False) for r in records)
    return records


def _records_known(definition: Definition, known: Known | None) -> bool:
    """In another run others may have been made."""
    return known is None or (known.records_stand and known.run == definition.domain_id)


def _chain(
    disk: DiskDefinition, known: Known | None, records: tuple[Record, ...] | None
) -> tuple[Image, ...]:
    """libvirt counts over the whole chain: what it answered stands with the active
    image, and nothing of the images below is unknown then."""
    asked = records is not None and all(record.asked for record in records)
    bitmaps = tuple(_bitmap(record) for record in records or () if record.asked)
    return tuple(
        _image(disk, layer, depth, known, bitmaps if depth == 0 else (), asked)
        for depth, layer in enumerate(disk.layers)
    )


def _image(
    disk: DiskDefinition,
    layer: Layer,
    depth: int,
    known: Known | None,
    bitmaps: tuple[Bitmap, ...],
    asked: bool,
) -> Image:
    size = known.sizes.get((disk.target, layer.path)) if known else None
    return Image(
        path=layer.path,
        format=layer.format,
        node=node_name(disk.target, layer, depth),
        virtual_bytes=size.virtual_bytes if size else 0,
        allocated_bytes=size.allocated_bytes if size else 0,
        read_only=disk.read_only or depth > 0,
        bitmaps=bitmaps,
        bitmaps_known=asked,
        can_persist_bitmaps=layer.format == "qcow2",
    )


def _bitmap(record: Record) -> Bitmap:
    """As libvirt makes them: persistent, and recording from the start."""
    return Bitmap(
        name=record.name,
        granularity_bytes=GRANULARITY_BYTES,
        dirty_bytes=record.dirty_bytes,
        recording=record.whole,
        busy=False,
        inconsistent=not record.whole,
        persistent=True,
    )


def _agent(definition: Definition, connection: str, *, active: bool) -> Agent | None:
    if definition.agent is None:
        return None
    address = f"libvirt:{definition.uuid}@{connection}"
    if not active:
        return Agent(address, answers=False)
    known = {"connected": True, "disconnected": False}
    return Agent(address, known.get(definition.agent))

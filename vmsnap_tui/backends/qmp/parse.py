"""From QEMU's replies to the model: disks, chains, bitmaps, jobs; no I/O."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vmsnap_tui.backends.qmp.replies import (
    BlockGraph,
    BlockInfo,
    BlockJobInfo,
    BlockStats,
    DirtyInfo,
    ImageInfo,
    Inserted,
    JobInfo,
)
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, DiskIo, Image
from vmsnap_tui.model.job import Job, JobStatus, job_id
from vmsnap_tui.model.vm import VmState

FILTERS = frozenset(
    {
        "blkdebug",
        "blklogwrites",
        "blkreplay",
        "blkverify",
        "commit_top",
        "compress",
        "copy-before-write",
        "copy-on-read",
        "mirror_top",
        "preallocate",
        "quorum",
        "snapshot-access",
        "throttle",
    }
)
"""Drivers that hold no data of their own: with one on top, the root node is not the
image, and bitmaps or snapshots on it would miss what is below."""

_JOB_FILTERS = frozenset({"commit_top", "copy-before-write", "mirror_top"})
"""What a job puts on top of its disk while it runs, under a name of QEMU's making."""

_STATES = {
    "running": VmState.RUNNING,
    "io-error": VmState.IO_ERROR,
    "internal-error": VmState.CRASHED,
    "guest-panicked": VmState.CRASHED,
    "shutdown": VmState.OFF,
    **dict.fromkeys(
        (
            "paused",
            "prelaunch",
            "suspended",
            "debug",
            "inmigrate",
            "postmigrate",
            "finish-migrate",
            "restore-vm",
            "save-vm",
            "watchdog",
            "colo",
        ),
        VmState.PAUSED,
    ),
}


@dataclass(frozen=True, slots=True)
class Graph:
    """The node graph, read when it was safe to."""

    nodes: Mapping[str, Inserted]
    below: Mapping[str, str]
    """Each node's backing node; a filter's file node."""

    def refreshed(self, roots: Iterable[Inserted]) -> "Graph":
        """The same graph with these nodes as they are now."""
        now = {root.node_name: root for root in roots if root.node_name in self.nodes}
        return Graph({**self.nodes, **now}, self.below)


def vm_state(status: str) -> VmState:
    return _STATES.get(status, VmState.UNKNOWN)


def graph(named: Iterable[Inserted], edges: BlockGraph) -> Graph:
    nodes = {node.node_name: node for node in named}
    names = {n.id: n.name for n in edges.nodes if n.type == "block-driver"}
    below: dict[str, str] = {}
    for edge in edges.edges:
        parent, child = names.get(edge.parent), names.get(edge.child)
        if parent is None or child is None:
            continue
        filters = parent in nodes and nodes[parent].drv in FILTERS
        if edge.name == "backing" or (filters and edge.name == "file"):
            below[parent] = child
    return Graph(nodes, below)


def disks(
    blocks: Iterable[BlockInfo], stats: Iterable[BlockStats], known: Graph | None
) -> tuple[Disk, ...]:
    """Every device with a drive, in QEMU's order; an unused empty drive is left out."""
    shown = [b for b in blocks if b.qdev or b.inserted]
    io = {(s.device, s.qdev): _io(s) for s in stats}
    return tuple(
        Disk(
            target=target,
            device=block.qdev or block.device,
            chain=chain(block.inserted, known) if block.inserted else (),
            unfit=unfit(block, known),
            unfit_for_now=_is_held(block.inserted, known),
            io=io.get((block.device, block.qdev)),
        )
        for target, block in named_targets(shown)
    )


def named_targets(blocks: Iterable[BlockInfo]) -> Iterator[tuple[str, BlockInfo]]:
    """Each block with its target: unique, and the same after a restart.

    Two targets that differ only in characters made safe get a number.
    """
    taken: set[str] = set()
    for block in blocks:
        wanted = re.sub(r"[^A-Za-z0-9._-]+", "_", _wanted_target(block)) or "disk"
        wanted = f"_{wanted}" if wanted.strip(".") == "" else wanted
        target, number = wanted, 2
        while target in taken:
            target, number = f"{wanted}-{number}", number + 1
        taken.add(target)
        yield target, block


def _wanted_target(block: BlockInfo) -> str:
    """The device's id, else the drive's name, the node's, or the anonymous path."""
    if block.qdev and "/" not in block.qdev:
        return block.qdev
    found = re.match(r"/machine/peripheral/([^/]+)", block.qdev)
    if found:
        return found[1]
    if block.device:
        return block.device
    node = block.inserted.node_name if block.inserted else ""
    if node and not node.startswith("#"):
        return node
    path = re.sub(r"^/machine/|/virtio-backend$", "", block.qdev)
    return re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")


def unfit(block: BlockInfo, known: Graph | None = None) -> str:
    """Why the disk takes no part in operations, or nothing."""
    inserted = block.inserted
    if inserted is None:
        return "no medium"
    if _is_at_work(inserted, known):
        return "a job is at work on it"
    if inserted.drv in FILTERS:
        return f"a {inserted.drv} filter is on top of its image"
    if inserted.ro:
        return "CD drive" if block.removable else "read-only"
    return ""


def _is_held(inserted: Inserted | None, known: Graph | None) -> bool:
    """By something that may be gone tomorrow, or was put there by somebody."""
    if inserted is None:
        return False
    return inserted.drv in FILTERS or _is_at_work(inserted, known)


def _is_at_work(inserted: Inserted, known: Graph | None) -> bool:
    """`query-block` looks through the filter of a mirror (and of an active commit), but
    shows the nameless bitmap that it keeps in the image it reads from; on QEMU 11 it
    keeps that elsewhere, but there the graph with the filter may be asked for."""
    if inserted.drv in _JOB_FILTERS and inserted.node_name.startswith("#"):
        return True
    if any(not bitmap.name for bitmap in inserted.dirty_bitmaps):
        return True
    return known is not None and any(
        below == inserted.node_name and known.nodes[above].drv in _JOB_FILTERS
        for above, below in known.below.items()
        if above in known.nodes
    )


def chain(inserted: Inserted, known: Graph | None) -> tuple[Image, ...]:
    """Active image first, filters left out.

    Without the graph only the root node has a name and bitmaps: `query-block` tells
    the files alone of what is below it, be it below a backing link or a filter.
    """
    if known is not None and inserted.node_name in known.nodes:
        return tuple(_image(node) for node in _walk(inserted.node_name, known))
    below = _unnamed(inserted.image.backing_image, writable=inserted.drv in FILTERS)
    return tuple(below) if inserted.drv in FILTERS else (_image(inserted), *below)


def _walk(name: str, known: Graph) -> Iterator[Inserted]:
    """From a root node down. What is read piece by piece may not be a tree."""
    seen: set[str] = set()
    while name in known.nodes and name not in seen:
        seen.add(name)
        if known.nodes[name].drv not in FILTERS:
            yield known.nodes[name]
        name = known.below.get(name, "")


def _image(node: Inserted) -> Image:
    return Image(
        path=node.image.filename,
        format=node.drv,
        node=node.node_name,
        virtual_bytes=node.image.virtual_size,
        allocated_bytes=node.image.actual_size,
        read_only=node.ro,
        bitmaps=tuple(_bitmap(b) for b in node.dirty_bitmaps if b.name),
        can_persist_bitmaps=_keeps_bitmaps(node.image),
    )


def _unnamed(image: ImageInfo | None, *, writable: bool) -> Iterator[Image]:
    """`writable` is whether the first takes the writes."""
    while image is not None:
        yield Image(
            path=image.filename,
            format=image.format,
            node="",
            virtual_bytes=image.virtual_size,
            allocated_bytes=image.actual_size,
            read_only=not writable,
            bitmaps_known=False,
            can_persist_bitmaps=_keeps_bitmaps(image),
        )
        image, writable = image.backing_image, False


def _keeps_bitmaps(image: ImageInfo) -> bool:
    """qcow2 v2 (compat 0.10) has no room for them."""
    specific = image.format_specific
    return (
        specific is not None
        and specific.type == "qcow2"
        and specific.data.compat not in ("", "0.10")
    )


def _bitmap(info: DirtyInfo) -> Bitmap:
    return Bitmap(
        name=info.name,
        granularity_bytes=info.granularity,
        dirty_bytes=info.count,
        recording=info.recording,
        busy=info.busy,
        inconsistent=info.inconsistent,
        persistent=info.persistent,
    )


def _io(stats: BlockStats) -> DiskIo:
    numbers = stats.stats
    return DiskIo(
        written_bytes=numbers.wr_bytes,
        writes=numbers.wr_operations,
        write_time_s=numbers.wr_total_time_ns / 1e9,
    )


def jobs(
    infos: Iterable[JobInfo],
    block_infos: Iterable[BlockJobInfo],
    targets: Iterable[str],
) -> tuple[Job, ...]:
    """The two lists joined by id; `targets` tell our own jobs' disks."""
    of_block = {info.device: info for info in block_infos}
    known = tuple(targets)
    return tuple(_job(info, of_block.get(info.id), known) for info in infos)


def _job(info: JobInfo, block: BlockJobInfo | None, targets: tuple[str, ...]) -> Job:
    job = Job(
        id=info.id,
        kind=info.type,
        status=_job_status(info.status),
        done_bytes=info.current_progress,
        total_bytes=info.total_progress,
        error=info.error,
        speed_bytes_per_s=block.speed if block else 0,
        io_status=block.io_status if block else "ok",
    )
    if job.operation is None:
        return job
    operation = job.operation
    ours = (t for t in targets if job_id(operation, t) == info.id)
    return replace(job, target=next(ours, ""))


def _job_status(word: str) -> JobStatus:
    try:
        return JobStatus(word)
    except ValueError:
        return JobStatus.UNDEFINED

"""What is asked of libvirt, as blocking functions of a connection.

Each runs in one of the session's threads from beginning to end, so that as little as
can be comes between finding a domain without a job and asking what a job makes deadly:
with QEMU before 10, libvirt's BLOCK statistics, its block info of a running domain, and
a checkpoint's SIZE end the machine when they meet a backup or the end of a stream.
"""

import os
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, ParamSpec, TypeVar
from xml.etree.ElementTree import ParseError

import libvirt
import libvirt_qemu

from vmsnap_tui.backends.libvirt import moments
from vmsnap_tui.backends.libvirt.backup_xml import BackupXml, parse_backup
from vmsnap_tui.backends.libvirt.bitmaps import BLOCKS, NODES
from vmsnap_tui.backends.libvirt.checkpoint_xml import (
    CheckpointXml,
    operation_of,
    parse_checkpoint,
)
from vmsnap_tui.backends.libvirt.domain_xml import (
    Definition,
    DiskDefinition,
    parse_domain,
)
from vmsnap_tui.backends.libvirt.job_facts import JobFacts
from vmsnap_tui.backends.libvirt.portrait import NOT_YET, OFF, Size
from vmsnap_tui.backends.libvirt.process import began_s
from vmsnap_tui.backends.libvirt.snapshot_xml import parse_snapshot
from vmsnap_tui.backends.libvirt.states import is_active
from vmsnap_tui.model.disk import DiskIo
from vmsnap_tui.model.snapshot import Snapshot

OURS = "vmsnap-"
"""What the names of our checkpoints begin with, whichever repository's they are."""
AT_WORK = (
    "changes cannot be counted safely while a job runs"
    " (needs libvirt 10.8 with QEMU 10)"
)
_SIZE_FLAGS = (
    libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN | libvirt.VIR_DOMAIN_CHECKPOINT_XML_SIZE
)
_GONE = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_DOMAIN_BACKUP,
        libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT,
        libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
        libvirt.VIR_ERR_OPERATION_INVALID,
    }
)
"""Of what was there a moment ago, a domain that ran included."""
_UNABLE = frozenset({libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED})
_STARTING = "backup job data missing"

P = ParamSpec("P")
T = TypeVar("T")


_QCOW2_VERSION_2 = b"QFI\xfb\0\0\0\2"


class Seen(NamedTuple):
    """One domain of a list; `state` and its reason as libvirt numbers them. A thousand
    are made for each list, and a tuple is made in a third of the time."""

    handle: Any
    uuid: str
    name: str
    run: int | None
    state: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A checkpoint, and why it was not asked for its sizes, or nothing.

    `watched` is whether it was made in this very run of the machine.
    """

    xml: CheckpointXml
    not_asked: str = ""
    watched: bool = True


@dataclass(frozen=True, slots=True)
class Sight:
    """One domain with all that leaves no mark on it.

    `checkpoints` and `snapshots` are None where this libvirt keeps none, `sizes` None
    where they could not be asked for.
    """

    definition: Definition
    state: tuple[int, int]
    jobs: JobFacts
    checkpoints: tuple[Asked, ...] | None
    snapshots: tuple[Snapshot, ...] | None
    sizes: dict[tuple[str, str], Size] | None
    io: dict[str, DiskIo]
    without_bitmaps: frozenset[str] = frozenset()
    """Disks whose active image is a qcow2 of version 2, which has no room for any."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What moves on a screen that is open; `checkpoints` is None where a job is in the
    way, or where this libvirt keeps none."""

    jobs: JobFacts
    checkpoints: tuple[Asked, ...] | None
    sizes: dict[tuple[str, str], Size] | None
    io: dict[str, DiskIo]


@dataclass(frozen=True, slots=True)
class Graph:
    """QEMU's own answers, as text."""

    nodes: str
    blocks: str


def census(connection: Any) -> list[Seen]:
    """Every domain and its state: one call, which asks no QEMU."""
    stats = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
    return [
        Seen(
            domain,
            domain.UUIDString(),
            domain.name(),
            _run(domain),
            (found.get("state.state", 0), found.get("state.reason", 0)),
        )
        for domain, found in stats
    ]


def definitions(_connection: Any, handles: Iterable[Any]) -> list[Definition | None]:
    """Each domain's definition, None of one that is gone; no QEMU is asked.

    All are fetched before the first is taken apart: a thread that waits for libvirtd
    would have to win the interpreter back from another one for each of them.
    """
    texts = [(handle, _unless_gone(handle.XMLDesc, 0)) for handle in handles]
    return [
        None if text is None else _understood(handle, text) for handle, text in texts
    ]


def definition(domain: Any) -> Definition:
    return _understood(domain, domain.XMLDesc(0))


def _understood(domain: Any, text: str) -> Definition:
    """One that is not understood does not hide the others."""
    try:
        return parse_domain(text)
    except ParseError as error:
        return Definition(
            domain.name(),
            domain.UUIDString(),
            _run(domain),
            not_understood=f"libvirt's XML of it is not understood ({error})",
        )


def job_facts(connection: Any, uuid: str, known: Definition) -> JobFacts:
    """The domain's jobs: safe at any time."""
    return _job_facts(connection.lookupByUUIDString(uuid), known)


def look(connection: Any, uuid: str, safe: Callable[[Definition], bool]) -> Sight:
    """One domain. `safe` tells whether its block graph may be read while jobs run."""
    domain = connection.lookupByUUIDString(uuid)
    found, state = definition(domain), _state(domain)
    active = is_active(state[0])
    facts = _job_facts(domain, found) if active else JobFacts({})
    free = _Free(domain, found, active, anyway=safe(found))
    sizes, io = _sizes(connection, free)
    return Sight(
        definition=found,
        state=state,
        jobs=facts,
        checkpoints=_watched(_checkpoints(free), began_s(uuid)),
        snapshots=_snapshots(domain),
        sizes=sizes,
        io=io,
        without_bitmaps=frozenset(
            disk.target for disk in found.disks if _is_version_2(disk)
        ),
    )


def _is_version_2(disk: DiskDefinition) -> bool:
    """libvirt would begin a checkpoint there, and QEMU refuse the whole of it. One that
    cannot be read from here is taken for a newer one; a FIFO keeps nobody waiting."""
    if not disk.layers or disk.layers[0].kind != "file":
        return False
    try:
        fd = os.open(disk.layers[0].path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as image:
            return image.read(8) == _QCOW2_VERSION_2
    except OSError:
        return False


def _watched(
    found: tuple[Asked, ...] | None, run_began_s: float | None
) -> tuple[Asked, ...] | None:
    """Each with whether this run made it. libvirt tells no beginning of a run; where
    this host does not either, none is known to be of it."""
    if found is None:
        return None
    began_utc = "" if run_began_s is None else moments.utc(run_began_s)
    return tuple(
        replace(one, watched="" < began_utc < one.xml.checkpoint.created_utc)
        for one in found
    )


def count(connection: Any, uuid: str, known: Definition, safe: bool) -> Tally:
    """Every checkpoint, what changed since the newest of ours, and the sizes."""
    domain = connection.lookupByUUIDString(uuid)
    facts = _job_facts(domain, known)
    if facts.any and not safe:
        return Tally(facts, None, None, {})
    free = _Free(domain, known, active=True, anyway=safe)
    listed = _listed(domain.listAllCheckpoints)
    ours = [each for each in listed or () if each.getName().startswith(OURS)]
    checkpoints = _each_checkpoint(listed, free, ours[-1:])
    sizes, io = _sizes(connection, free)
    return Tally(facts, checkpoints, sizes, io)


def graph(connection: Any, uuid: str, known: Definition, safe: bool) -> Graph | None:
    """QEMU's own word, past libvirt: it marks the domain as tainted. None where a job
    runs that it would meet."""
    domain = connection.lookupByUUIDString(uuid)
    if not safe and _job_facts(domain, known).any:
        return None
    return Graph(
        nodes=libvirt_qemu.qemuMonitorCommand(domain, NODES, 0),
        blocks=libvirt_qemu.qemuMonitorCommand(domain, BLOCKS, 0),
    )


@dataclass(frozen=True, slots=True)
class _Free:
    """A domain, and whether its block graph may be read just now."""

    domain: Any
    definition: Definition
    active: bool
    anyway: bool

    @property
    def hindrance(self) -> str:
        """Why not, or nothing; found out anew before each such call."""
        if not self.active:
            return OFF
        if self.anyway or not _job_facts(self.domain, self.definition).any:
            return ""
        return AT_WORK


def _sizes(
    connection: Any, free: _Free
) -> tuple[dict[tuple[str, str], Size] | None, dict[str, DiskIo]]:
    if not free.active:
        return _sizes_off(free.domain, free.definition), {}
    if free.hindrance:
        return None, _io(free.domain, free.definition)
    return _statistics(connection, free.domain)


def _sizes_off(domain: Any, known: Definition) -> dict[tuple[str, str], Size]:
    """libvirt opens the file; one that is missing has no size."""
    found = {}
    for disk in known.disks:
        if not disk.layers:
            continue
        try:
            capacity, allocation, _physical = domain.blockInfo(disk.target, 0)
        except libvirt.libvirtError as error:
            _reraise_if_lost(error)
            continue
        found[disk.target, disk.layers[0].path] = Size(capacity, allocation)
    return found


def _statistics(
    connection: Any, domain: Any
) -> tuple[dict[tuple[str, str], Size] | None, dict[str, DiskIo]]:
    try:
        [(_, stats)] = connection.domainListGetStats(
            [domain],
            libvirt.VIR_DOMAIN_STATS_BLOCK,
            libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING,
        )
    except libvirt.libvirtError as error:
        _reraise_unless(error, _UNABLE)
        return None, {}
    return statistics(stats)


def statistics(
    stats: dict[str, Any],
) -> tuple[dict[tuple[str, str], Size], dict[str, DiskIo]]:
    """From `block.N.…`: each layer's sizes, and the I/O of each disk's top."""
    sizes, io = {}, {}
    for number in range(stats.get("block.count", 0)):

        def value(key: str, number: int = number) -> Any:
            return stats.get(f"block.{number}.{key}", 0)

        target, path = value("name"), value("path")
        if path and value("capacity"):
            sizes[target, path] = Size(value("capacity"), value("physical"))
        if f"block.{number}.wr.bytes" in stats:
            written, writes = value("wr.bytes"), value("wr.reqs")
            io[target] = DiskIo(written, writes, value("wr.times") / 1e9)
    return sizes, io


def _io(domain: Any, known: Definition) -> dict[str, DiskIo]:
    """By `query-blockstats` alone, which is safe beside a job."""
    found = {}
    for disk in known.disks:
        if not disk.layers:
            continue
        stats = _unless_gone(domain.blockStatsFlags, disk.target, 0) or {}
        found[disk.target] = DiskIo(
            stats.get("wr_bytes", 0),
            stats.get("wr_operations", 0),
            stats.get("wr_total_times", 0) / 1e9,
        )
    return found


def _checkpoints(free: _Free) -> tuple[Asked, ...] | None:
    listed = _listed(free.domain.listAllCheckpoints)
    return _each_checkpoint(listed, free, listed or ())


def _each_checkpoint(
    listed: list[Any] | None, free: _Free, counted: Container[Any]
) -> tuple[Asked, ...] | None:
    """Parents before children: the last is the one that the next builds upon."""
    if listed is None:
        return None
    found = (
        _unless_gone(_checkpoint, each, free, each is listed[-1], each in counted)
        for each in listed
    )
    return tuple(each for each in found if each is not None)


def _checkpoint(checkpoint: Any, free: _Free, current: bool, counted: bool) -> Asked:
    """With its sizes where they may be asked for; else the reason why they are not."""
    reason = free.hindrance if counted else NOT_YET
    if not reason:
        try:
            xml = checkpoint.getXMLDesc(_SIZE_FLAGS)
            return Asked(parse_checkpoint(xml, current=current))
        except libvirt.libvirtError as error:
            _reraise_if_lost(error)
            reason = f"libvirt could not count: {error.get_error_message()}"
    plain = checkpoint.getXMLDesc(libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN)
    return Asked(parse_checkpoint(plain, current=current), reason)


def _snapshots(domain: Any) -> tuple[Snapshot, ...] | None:
    listed = _listed(domain.listAllSnapshots)
    if listed is None:
        return None
    newest = _unless_gone(domain.snapshotCurrent, 0) if listed else None
    current = newest.getName() if newest is not None else None
    found = (_unless_gone(_snapshot, each, current) for each in listed)
    return tuple(each for each in found if each is not None)


def _snapshot(snapshot: Any, current: str | None) -> Snapshot:
    xml = snapshot.getXMLDesc(0)
    return parse_snapshot(xml, current=snapshot.getName() == current)


def _listed(ask: Callable[[int], list[Any]]) -> list[Any] | None:
    try:
        # the same bit for checkpoints and for snapshots
        return ask(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)
    except libvirt.libvirtError as error:
        _reraise_unless(error, _UNABLE)
        return None


def _job_facts(domain: Any, known: Definition) -> JobFacts:
    try:
        stats = domain.jobStats(0)
    except libvirt.libvirtError as error:
        if _STARTING in str(error.get_error_message()):
            return _with_backup(domain, known, JobFacts({}, starting=True))
        _reraise_unless(error, _UNABLE | _GONE)
        stats = {}
    facts = JobFacts(stats, block=_block_jobs(domain, known))
    if not facts.any:
        return facts
    return _with_backup(domain, known, facts)


def _block_jobs(domain: Any, known: Definition) -> dict[str, dict[str, int]]:
    flags = libvirt.VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES
    found = {}
    for disk in known.disks:
        if not disk.layers:
            continue
        try:
            info = domain.blockJobInfo(disk.target, flags)
        except libvirt.libvirtError as error:
            # a disk that was unplugged meanwhile is an invalid argument
            known_errors = _UNABLE | _GONE | {libvirt.VIR_ERR_INVALID_ARG}
            _reraise_unless(error, known_errors)
            continue
        if info:
            found[disk.target] = info
    return found


def _with_backup(domain: Any, known: Definition, facts: JobFacts) -> JobFacts:
    try:
        backup = parse_backup(domain.backupGetXMLDesc(0))
    except libvirt.libvirtError as error:
        _reraise_unless(error, _UNABLE | _GONE)
        return facts
    operation = _operation(domain, backup)
    return replace(facts, backup=backup, operation=operation)


def _operation(domain: Any, backup: BackupXml) -> str | None:
    """Ours, by the description of the checkpoint that was made along with the backup,
    which has the name of the point whose files are being written; where no disk is
    tracked, by the mark in the domain's metadata."""
    point = backup.point
    if not point:
        return None
    for checkpoint in _listed(domain.listAllCheckpoints) or ():
        name = checkpoint.getName()
        if name.startswith(OURS) and name.endswith(f"-{point}"):
            flags = libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN
            xml = _unless_gone(checkpoint.getXMLDesc, flags)
            found = parse_checkpoint(xml).checkpoint.description if xml else ""
            return operation_of(found) or definition(domain).marked(point)
    return definition(domain).marked(point)


def _state(domain: Any) -> tuple[int, int]:
    state, reason = domain.state(0)
    return state, reason


def _run(domain: Any) -> int | None:
    """The number of this run, as the handle has it: no call is made."""
    number = domain.ID()
    return number if number >= 0 else None


def _unless_gone(ask: Callable[P, T], *values: P.args, **named: P.kwargs) -> T | None:
    try:
        return ask(*values, **named)
    except libvirt.libvirtError as error:
        _reraise_unless(error, _GONE)
        return None


def _reraise_unless(error: libvirt.libvirtError, codes: Container[int | None]) -> None:
    if error.get_error_code() not in codes:
        raise error


def _reraise_if_lost(error: libvirt.libvirtError) -> None:
    if error.get_error_domain() == libvirt.VIR_FROM_RPC:
        raise error

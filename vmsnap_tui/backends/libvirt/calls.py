"""What is done to a domain, as blocking functions of a connection.

Each runs in one of the session's threads from beginning to end. What libvirt refuses
and nobody asked about is raised as it came (`libvirtError`); the session tells it in
the operator's words.
"""

import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from xml.etree import ElementTree

import libvirt

from vmsnap_tui.backends.base import InstantTaken
from vmsnap_tui.backends.libvirt import commands
from vmsnap_tui.backends.libvirt.backup_xml import BackupXml, parse_backup
from vmsnap_tui.backends.libvirt.checkpoint_xml import parse_checkpoint
from vmsnap_tui.backends.libvirt.domain_xml import Definition, parse_domain
from vmsnap_tui.backends.libvirt.states import is_active, status_words, vm_state
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.model.vm import VmState

_ELEMENT = libvirt.VIR_DOMAIN_METADATA_ELEMENT
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_KEEP = 2
"""VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED."""
_REDEFINE_VALIDATED = 1 | 4
"""VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE, … _REDEFINE_VALIDATE."""
_BACKUP_JOB = 5
"""VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP."""
_OFF = frozenset({libvirt.VIR_ERR_OPERATION_INVALID})
_NO_BACKUP = frozenset({libvirt.VIR_ERR_NO_DOMAIN_BACKUP})
_NO_CHECKPOINT = frozenset({libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT})
_NO_MARK = frozenset({libvirt.VIR_ERR_NO_DOMAIN_METADATA})
_NO_JOB = frozenset({libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID})
_STARTING = "backup job data missing"
_NO_VERB = "cannot accept command verb"
_NO_BITMAP = "not found in backing chain"
_LEFT_BEHIND = re.compile(r"Bitmap already exists: backup-(\S+)$")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a backup of ours.

    `run` is libvirt's number of the machine's run, None when it is off; `marked` is
    whether our mark stands and was made in this run. `backup` is the one that is
    active, whosesoever; `copying` what libvirt tells of the block job of each disk of
    ours that has one.
    """

    run: int | None = None
    state: VmState = VmState.OFF
    status: str = ""
    marked: bool = False
    backup: BackupXml | None = None
    ours: bool = False
    copying: dict[str, dict[str, int]] = field(default_factory=dict)
    checkpoint: bool = False

    @property
    def busy(self) -> bool:
        """Whether one of our own block jobs is not over, its file not closed."""
        return self.ours or (self.backup is None and bool(self.copying))


def look(connection: Any, uuid: str, instant: BackupInstant) -> Seen:
    """The mark is read last: what was seen before it was seen in its run."""
    domain = connection.lookupByUUIDString(uuid)
    state, reason = domain.state(0)
    word, status = vm_state(state, reason), status_words(state, reason)
    if not is_active(state):
        return Seen(None, word, status, checkpoint=_checkpoint_of(domain, instant))
    backup = active_backup(domain)
    copying = {}
    for part in instant.disks:
        info = _answer(domain.blockJobInfo, part.target, 0, but=_NO_JOB)
        if info and info.get("type") == _BACKUP_JOB:
            copying[part.target] = info
    return Seen(
        run=domain.ID(),
        state=word,
        status=status,
        backup=backup,
        ours=is_ours(backup, instant),
        copying=copying,
        checkpoint=_checkpoint_of(domain, instant),
        marked=is_marked(domain, instant),
    )


def definition(connection: Any, uuid: str) -> str:
    """As it would be defined anew, with the secrets that it holds."""
    flags = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
    return str(connection.lookupByUUIDString(uuid).XMLDesc(flags))


def active_backup(domain: Any) -> BackupXml | None:
    xml = _answer(domain.backupGetXMLDesc, 0, but=_NO_BACKUP | _OFF)
    return parse_backup(xml) if xml else None


def is_ours(backup: BackupXml | None, instant: BackupInstant) -> bool:
    """Its files have a name that is drawn anew for each point."""
    files = {part.file for part in instant.disks}
    return backup is not None and any(disk.file in files for disk in backup.disks)


def is_marked(domain: Any, instant: BackupInstant) -> bool:
    uri = commands.mark_uri(instant.disks[0].scratch_bitmap)
    xml = _answer(domain.metadata, _ELEMENT, uri, _LIVE, but=_NO_MARK | _OFF)
    return xml is not None and commands.mark_run(str(xml)) == domain.ID()


def began_s(connection: Any, uuid: str, instant: BackupInstant) -> float | None:
    """When our mark says that the backup began."""
    domain = connection.lookupByUUIDString(uuid)
    uri = commands.mark_uri(instant.disks[0].scratch_bitmap)
    xml = _answer(domain.metadata, _ELEMENT, uri, _LIVE, but=_NO_MARK | _OFF)
    return commands.mark_began_s(xml) if xml else None


def write_mark(
    connection: Any, uuid: str, instant: BackupInstant, began_s: float | None = None
) -> None:
    _write_mark(connection.lookupByUUIDString(uuid), instant, began_s)


def _write_mark(domain: Any, instant: BackupInstant, began_s: float | None) -> None:
    uri = commands.mark_uri(instant.disks[0].scratch_bitmap)
    element = commands.mark(instant, domain.ID(), began_s)
    domain.setMetadata(_ELEMENT, element, commands.MARK_PREFIX, uri, _LIVE)


def remove_mark(connection: Any, uuid: str, scratch_bitmap: str) -> None:
    """A machine that is off has none any more."""
    domain = connection.lookupByUUIDString(uuid)
    uri = commands.mark_uri(scratch_bitmap)
    gone = _OFF | _NO_MARK
    if _answer(domain.metadata, _ELEMENT, uri, _LIVE, but=gone):
        _answer(domain.setMetadata, _ELEMENT, None, None, uri, _LIVE, but=gone)


def prepare(connection: Any, uuid: str, instant: BackupInstant) -> Definition:
    """That a backup may begin now. Raises StepFailed with what is in its way."""
    domain = connection.lookupByUUIDString(uuid)
    require_free(domain)
    found = parse_domain(domain.XMLDesc(0))
    for part in instant.disks:
        disk = found.disk(part.target)
        if disk is None or not disk.layers or disk.mirror is not None:
            raise StepFailed(
                f"disk {part.target} cannot be backed up any more",
                evidence="a job holds it" if disk and disk.mirror else "it is gone",
                remedy="plan the backup again",
            )
    return replace(found, dac_label=found.dac_label or _default_label(connection))


def _default_label(connection: Any) -> str:
    """Whom QEMU runs as where the domain does not say so, as with
    security_default_confined = 0; nothing where it runs as libvirtd itself does."""
    host = ElementTree.fromstring(connection.getCapabilities()).find("host")
    for model in host.iterfind("secmodel") if host is not None else ():
        if model.findtext("model") == "dac":
            return model.findtext("baselabel", "")
    return ""


def require_free(domain: Any) -> None:
    """libvirt would let a second job wait for half a minute, and the guest with it."""
    state, reason = domain.state(0)
    if not is_active(state):
        raise StepFailed(
            "the machine does not run",
            evidence=f"its state is {status_words(state, reason)}",
            remedy="start it, paused if need be",
        )
    if job := running_job(domain):
        raise StepFailed(
            "another job runs on the machine",
            evidence=job,
            remedy="let it end, or cancel it (`vmsnap-tui jobs`, `virsh domjobinfo`)",
        )


def running_job(domain: Any) -> str:
    """The domain's own job in words, or nothing."""
    try:
        stats = domain.jobStats(0)
    except libvirt.libvirtError as error:
        if _STARTING in str(error.get_error_message()):
            return "a backup is being started"
        if error.get_error_code() not in _OFF:
            raise
        return ""
    if stats.get("type"):
        return f"libvirt's job of operation {stats.get('operation')}"
    return "a backup is active" if active_backup(domain) is not None else ""


def begin(connection: Any, uuid: str, instant: BackupInstant) -> InstantTaken:
    """The instant, with our mark written anew right before it."""
    domain = connection.lookupByUUIDString(uuid)
    require_free(domain)
    state, reason = domain.state(0)
    _write_mark(domain, instant, time.time())
    checkpoint = commands.checkpoint_xml(instant) or None
    flags = libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
    for cleared in range(len(instant.disks) + 1):
        at_utc, before_s = datetime.now(UTC), time.monotonic()
        try:
            domain.backupBegin(commands.backup_xml(instant), checkpoint, flags)
            break
        except libvirt.libvirtError as error:
            if cleared == len(instant.disks) or not _cleared(domain, instant, error):
                raise
    after_s = time.monotonic()
    stamp = at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    was_running = vm_state(state, reason) is VmState.RUNNING
    return InstantTaken(before_s, after_s, stamp, was_running)


def _cleared(domain: Any, instant: BackupInstant, error: libvirt.libvirtError) -> bool:
    """Whether the error was of a bitmap that libvirt itself had left behind, and that
    is gone now. One is left by each increment whose libvirtd died as it ended; until
    QEMU ends, libvirt would begin no other increment of that disk."""
    found = _LEFT_BEHIND.search(str(error.get_error_message()))
    if found is None or found[1] not in {part.target for part in instant.disks}:
        return False
    name = f"backup-{found[1]}"
    if _checkpoint(domain, name) is not None:
        return False
    return not _drop_orphan(domain, name, [found[1]])


def limit(connection: Any, uuid: str, instant: BackupInstant) -> None:
    """libvirt has no limit to begin with. 11.3 keeps this call waiting until the backup
    is over, or for 30 s: never while a guest is frozen."""
    domain = connection.lookupByUUIDString(uuid)
    for part in instant.disks:
        _limit(domain, part.target, instant.speed_bytes_per_s)


def _limit(domain: Any, target: str, bytes_per_s: int) -> None:
    """A job that is over needs no limit."""
    flags = libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
    try:
        _answer(domain.blockJobSetSpeed, target, bytes_per_s, flags, but=_NO_JOB)
    except libvirt.libvirtError as error:
        if _NO_VERB not in str(error.get_error_message()):
            raise


def completed(connection: Any, uuid: str) -> dict[str, Any]:
    """Of the newest job that ended; whoever asks after us finds it as well."""
    domain = connection.lookupByUUIDString(uuid)
    flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | _KEEP
    stats = _answer(domain.jobStats, flags, but=_OFF)
    return dict(stats or {})


def is_newest_checkpoint(connection: Any, uuid: str, name: str) -> bool:
    """Whether none was made since."""
    domain = connection.lookupByUUIDString(uuid)
    checkpoint = _checkpoint(domain, name)
    return checkpoint is not None and not checkpoint.listAllChildren(0)


def cancel(connection: Any, uuid: str, instant: BackupInstant) -> None:
    """Our jobs, whether libvirt still knows them as one backup or not; it may go on for
    a while. Another tool's backup is never met: there is one at a time."""
    domain = connection.lookupByUUIDString(uuid)
    if not is_ours(active_backup(domain), instant):
        return
    if _answer(domain.abortJob, but=_OFF) is not None:
        return
    asynchronous = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC
    for part in instant.disks:
        _answer(domain.blockJobAbort, part.target, asynchronous, but=_NO_JOB)


def resume(connection: Any, uuid: str) -> None:
    _answer(connection.lookupByUUIDString(uuid).resume, but=_OFF)


def state_of(connection: Any, uuid: str) -> tuple[VmState, str]:
    state, reason = connection.lookupByUUIDString(uuid).state(0)
    return vm_state(state, reason), status_words(state, reason)


def run_of(connection: Any, uuid: str) -> int | None:
    """The number of its run, None when it is off. It is undefined: libvirtError."""
    domain = connection.lookupByUUIDString(uuid)
    return domain.ID() if is_active(domain.state(0)[0]) else None


def take_back_checkpoint(
    connection: Any, uuid: str, name: str, targets: Collection[str]
) -> None:
    """With its bitmaps; its metadata alone where these are gone or out of reach. One
    that libvirt could not write down is gone from its list, but not its bitmaps."""
    domain = connection.lookupByUUIDString(uuid)
    definition = parse_domain(domain.XMLDesc(0))
    checkpoint = _checkpoint(domain, name)
    if _hindrance(domain, definition):
        if checkpoint is not None:
            _delete_metadata(checkpoint)
    elif checkpoint is not None:
        _delete(domain, checkpoint)
    else:
        present = {disk.target for disk in definition.disks}
        _drop_orphan(domain, name, sorted(present.intersection(targets)))


def drop_checkpoint(
    connection: Any, uuid: str, name: str, targets: Collection[str]
) -> str:
    """Delete it if these are all its disks that the machine still has; a sentence where
    it was to go and stays."""
    domain = connection.lookupByUUIDString(uuid)
    definition = parse_domain(domain.XMLDesc(0))
    present = {disk.target for disk in definition.disks}
    checkpoint = _checkpoint(domain, name)
    if checkpoint is None:
        return _drop_orphan(domain, name, sorted(present.intersection(targets)))
    if not present.intersection(_disks(checkpoint)) <= set(targets):
        return ""  # another disk's own newest point still needs it
    if hindrance := _hindrance(domain, definition):
        return f"checkpoint {name} stays: {hindrance}"
    _delete(domain, checkpoint)
    return ""


def _drop_orphan(domain: Any, name: str, targets: list[str]) -> str:
    """Bitmaps of that name which libvirt does not know are made known to it, then
    deleted: it has no other call for them. One disk at a time, as one of them may be
    there and another not."""
    if not is_active(domain.state(0)[0]):
        return ""
    for target in targets:
        if hindrance := _hindrance(domain, parse_domain(domain.XMLDesc(0))):
            return f"bitmap {name} of {target} stays: {hindrance}"
        _delete(domain, _redefine(domain, name, (target,), validated=False))
    return ""


def adopt(connection: Any, uuid: str, name: str, targets: tuple[str, ...]) -> None:
    """Raises libvirtError (CHECKPOINT_INCONSISTENT) where a bitmap is no use."""
    domain = connection.lookupByUUIDString(uuid)
    known = _checkpoint(domain, name)
    if known is None or sorted(_disks(known)) != sorted(targets):
        _redefine(domain, name, targets, validated=True)


def set_job_speed(connection: Any, uuid: str, job: str, bytes_per_s: int) -> None:
    domain = connection.lookupByUUIDString(uuid)
    flags = libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
    domain.blockJobSetSpeed(_target_of(domain, job), bytes_per_s, flags)


def cancel_job(connection: Any, uuid: str, job: str) -> None:
    """A backup is one job of the whole machine: it ends with any of its parts."""
    domain = connection.lookupByUUIDString(uuid)
    words = job.split("-")
    if words[0] == "vmsnap" or words[:2] == ["libvirt", "backup"]:
        domain.abortJob()
        return
    with suppress(StepFailed):
        target = _target_of(domain, job)
        flags = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC
        domain.blockJobAbort(target, flags)
        return
    domain.abortJob()


def _target_of(domain: Any, job: str) -> str:
    """The disk in a job's id, which has `_` for whatever QEMU takes in no id."""
    for disk in parse_domain(domain.XMLDesc(0)).disks:
        if job.endswith(commands.job_suffix(disk.target)):
            return disk.target
    raise StepFailed(
        "that job has no disk of its own",
        evidence=job,
        remedy="see `vmsnap-tui jobs` for those that have",
    )


def _redefine(
    domain: Any, name: str, targets: Collection[str], *, validated: bool
) -> Any:
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    flags = _REDEFINE_VALIDATED if validated else 1
    return domain.checkpointCreateXML(commands.adopted_xml(name, targets, xml), flags)


def _delete(domain: Any, checkpoint: Any) -> None:
    if is_active(domain.state(0)[0]):
        try:
            checkpoint.delete(0)
            return
        except libvirt.libvirtError as error:
            if error.get_error_code() in _NO_CHECKPOINT:
                return
            if _NO_BITMAP not in str(error.get_error_message()):
                raise
            _delete_rest(domain, checkpoint)
            return
    _delete_metadata(checkpoint)


def _delete_metadata(checkpoint: Any) -> None:
    """Its bitmaps stay, recording: no point refers to them, and nothing relies on
    them."""
    flags = libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY
    _answer(checkpoint.delete, flags, but=_NO_CHECKPOINT)


def _delete_rest(domain: Any, checkpoint: Any) -> None:
    """libvirt deletes all bitmaps of a checkpoint or none, and one is not there: the
    others go disk by disk, each as a checkpoint of its own."""
    name, disks = checkpoint.getName(), _disks(checkpoint)
    present = {disk.target for disk in parse_domain(domain.XMLDesc(0)).disks}
    _delete_metadata(checkpoint)
    if len(disks) < 2:
        return
    for target in disks:
        if target in present:
            _delete(domain, _redefine(domain, name, (target,), validated=False))


def _hindrance(domain: Any, definition: Definition) -> str:
    """A checkpoint is deleted by a look at the whole graph, which ends a QEMU before 10
    when it meets another's job."""
    if job := running_job(domain):
        return job
    for disk in definition.disks:
        if _answer(domain.blockJobInfo, disk.target, 0, but=_NO_JOB):
            return f"a job runs on {disk.target}"
    return ""


def _checkpoint_of(domain: Any, instant: BackupInstant) -> bool:
    parts = commands.tracked(instant)
    return bool(parts) and _checkpoint(domain, parts[0].bitmap) is not None


def _checkpoint(domain: Any, name: str) -> Any:
    return _answer(domain.checkpointLookupByName, name, 0, but=_NO_CHECKPOINT)


def _disks(checkpoint: Any) -> tuple[str, ...]:
    flags = libvirt.VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN
    return parse_checkpoint(checkpoint.getXMLDesc(flags)).checkpoint.disks


def _answer(ask: Callable[..., _T], *values: object, but: Collection[int]) -> _T | None:
    """What is answered; None for an error of these codes."""
    try:
        return ask(*values)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in but:
            raise
        return None

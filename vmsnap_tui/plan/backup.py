"""Plan a backup: every chosen disk at one instant, or none."""

from dataclasses import dataclass

from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.point import DiskLevel, ExcludedDisk
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.levels import Decision, Shelf, decide, stale_bitmaps
from vmsnap_tui.plan.plan import DiskPlan, Estimates, Plan
from vmsnap_tui.plan.requests import BackupRequest, Level
from vmsnap_tui.plan.steps import (
    AttachTargets,
    AwaitJobs,
    CommitPoint,
    CreateTarget,
    DetachTargets,
    DraftDisk,
    DropBitmaps,
    FinalizeJobs,
    FreezeGuest,
    KeepDefinition,
    PreparePoint,
    SealTarget,
    StartBackup,
    Step,
    ThawGuest,
    WriteManifest,
)
from vmsnap_tui.units import MiB, format_bytes, format_duration

TYPICAL_FREEZE_WINDOW_S = 0.12
"""An idle Linux guest: freezing 75–90 ms, transaction and thaw 10–15 ms more."""

_REFUSES_OTHERS = "virtnbdbackup."
"""What the checkpoints of a tool are called that takes none but its own beside it."""

EXCLUSIVE_JOBS = frozenset({"mirror", "commit"})
"""Jobs that put a filter on top: QEMU then takes no backup ("Need a root node")."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Names that the engine gives an operation; the plan itself draws no lots."""

    operation: str
    point: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    disk: Disk
    decision: Decision
    instant: DiskInstant
    file: str


def plan_backup(
    vm: Vm, request: BackupRequest, shelf: Shelf, identity: Identity
) -> Plan:
    """The plan of one backup. Raises PlanRefused or NotFound; nothing is changed."""
    _check_limits(vm, request)
    disks, excluded = _choose(vm, request)
    _check_machine(vm, request, disks)
    chosen = tuple(
        _chosen(number, disk, decide(disk, request.level, shelf), shelf, identity)
        for number, disk in enumerate(disks)
    )
    _check_level(request, chosen)
    needed = _check_room(chosen, shelf)
    instant = BackupInstant(
        identity.operation,
        tuple(c.instant for c in chosen),
        request.speed_bytes_per_s,
        request.compress,
    )
    steps = _steps(vm, request, shelf, identity, chosen, excluded, instant)
    return Plan(
        operation=identity.operation,
        title=f"backup {vm.name}",
        vm_name=vm.name,
        vm=vm.key,
        connection=vm.connection,
        repository=shelf.path,
        point=identity.point,
        request=request,
        steps=steps,
        commit_index=_index_of(CommitPoint, steps),
        resume_index=_index_of(StartBackup, steps) + 1,
        disks=tuple(_disk_plan(c) for c in chosen),
        warnings=_warnings(vm, request, chosen, shelf),
        estimates=Estimates(
            bytes=needed,
            free_bytes=shelf.free_bytes,
            freeze_window_s=TYPICAL_FREEZE_WINDOW_S if request.quiesce else None,
        ),
        guest_effect=_guest_effect(vm, request),
        if_you_leave=(
            "the jobs go on inside QEMU until all is copied; the point is then finished"
            " by the next vmsnap-tui or by `vmsnap-tui recover`"
        ),
        if_it_breaks=(
            "what was written is removed and no change is forgotten: the old record"
            " goes on until the new point stands; run `vmsnap-tui recover` if this"
            " program was killed"
        ),
        afterwards=(
            f"point {identity.point} in {shelf.path}; every write from its instant on"
            " is recorded for the next increment"
        ),
    )


def _choose(
    vm: Vm, request: BackupRequest
) -> tuple[tuple[Disk, ...], tuple[ExcludedDisk, ...]]:
    for name in (*request.disks, *request.exclude):
        if vm.disk(name) is None:
            have = ", ".join(d.target for d in vm.disks) or "none"
            raise NotFound(
                f"{vm.name} has no disk {name}",
                evidence=f"it has {have}",
                remedy="name one of these, see `vmsnap-tui show`",
            )
    disks: list[Disk] = []
    excluded: list[ExcludedDisk] = []
    for disk in vm.disks:
        if request.disks and disk.target not in request.disks:
            excluded.append(ExcludedDisk(disk.target, "not chosen"))
        elif disk.target in request.exclude:
            excluded.append(ExcludedDisk(disk.target, "left out on request"))
        elif disk.unfit_for_now:
            raise _held(disk, vm)
        elif disk.unfit and disk.target in request.disks:
            raise PlanRefused(
                f"{disk.target} cannot be backed up",
                evidence=disk.unfit,
                remedy="leave it out",
            )
        elif disk.unfit:
            excluded.append(ExcludedDisk(disk.target, disk.unfit))
        else:
            disks.append(disk)
    if not disks:
        raise PlanRefused(
            f"{vm.name} has no disk to back up",
            evidence="; ".join(f"{e.target}: {e.reason}" for e in excluded)
            or "it has no disk at all",
            remedy="choose another disk (--disk) or leave fewer out (--exclude)",
        )
    return tuple(disks), tuple(excluded)


def _job_on(disk: Disk, vm: Vm) -> Job | None:
    return next((job for job in vm.jobs if job.target == disk.target), None)


def _held(disk: Disk, vm: Vm) -> PlanRefused:
    """A disk that something sits on now is not left out in silence: the point would
    lack it, and nobody would know. Which disk another tool's job is about is not always
    known: all of them are named then."""
    remedy = "let it end or cancel it first (`vmsnap-tui jobs`)"
    if any(not other.unfit for other in vm.disks):
        remedy += ", or --exclude the disk"
    job = _job_on(disk, vm)
    if job is None:
        others = [f"{job.kind} job {job.id}" for job in vm.jobs if not job.target]
        return PlanRefused(
            f"{disk.target} cannot be backed up now",
            evidence="; ".join([disk.unfit, *others]),
            remedy=remedy,
        )
    if job.operation is not None:
        remedy = "let that operation end; `vmsnap-tui recover` if it was interrupted"
    return PlanRefused(
        f"a {job.kind} job holds {disk.target}",
        evidence=f"job {job.id} is {job.status.value}",
        remedy=remedy,
    )


def _check_limits(vm: Vm, request: BackupRequest) -> None:
    """What this hypervisor cannot do is refused before anything else is looked at."""
    wanted = [(Ability.BACKUP, True), (Ability.COMPRESS, request.compress)]
    wanted += [(Ability.FREEZE, request.quiesce)]
    wanted += [(Ability.INCREMENTAL, request.level is Level.INCREMENTAL)]
    for ability, asked in wanted:
        limit = vm.limit(ability)
        if asked and limit is not None:
            raise PlanRefused(
                f"{vm.name}: {ability.value} cannot be done here",
                evidence=limit.reason,
                remedy=f"it needs {limit.needs}" if limit.needs else "do without it",
            )


def _check_machine(vm: Vm, request: BackupRequest, disks: tuple[Disk, ...]) -> None:
    if vm.state in (VmState.OFF, VmState.CRASHED, VmState.UNKNOWN):
        raise PlanRefused(
            f"{vm.name} is not running",
            evidence=f"its state is {vm.status}",
            remedy="start it, paused if need be: a backup is taken by its QEMU",
        )
    if vm.state is VmState.IO_ERROR:
        raise PlanRefused(
            f"{vm.name} is paused by an I/O error",
            evidence=f"its status is {vm.status}: QEMU could not read or write a disk",
            remedy="make room or mend the storage, resume the machine, then back up",
        )
    for disk in disks:
        job = _job_on(disk, vm)
        if job is not None and job.kind in EXCLUSIVE_JOBS:
            raise _held(disk, vm)
    if request.quiesce:
        _check_agent(vm)


def _check_agent(vm: Vm) -> None:
    remedy = "back up without --quiesce for a crash-consistent point"
    if vm.state is not VmState.RUNNING:
        raise PlanRefused(
            f"{vm.name} is {vm.state.value}, so that its agent cannot freeze anything",
            evidence=f"its state is {vm.status}",
            remedy=remedy,
        )
    if vm.agent is None:
        raise PlanRefused(
            f"{vm.name} has no guest agent channel",
            evidence="no virtserialport named org.qemu.guest_agent.0",
            remedy=f"name its socket in the connection (agent=PATH), or {remedy}",
        )
    if vm.agent.answers is False:
        raise PlanRefused(
            f"the guest agent of {vm.name} is not running",
            evidence=f"the guest has not opened the channel behind {vm.agent.address}",
            remedy=f"start qemu-guest-agent in the guest, or {remedy}",
        )


def _chosen(
    number: int, disk: Disk, decision: Decision, shelf: Shelf, identity: Identity
) -> _Chosen:
    file = f"disk-{disk.target}.qcow2"
    bitmap = f"{shelf.bitmap_prefix}{identity.point}"
    instant = DiskInstant(
        target=disk.target,
        file=f"{shelf.path}/tmp/{identity.point}/{file}",
        target_node=f"vmsnap-t-{identity.operation}-{number}",
        level=decision.level,
        bitmap="" if disk.untracked else bitmap,
        persistent=disk.active.can_persist_bitmaps,
        scratch_bitmap=f"{bitmap}-scratch",
        merge=decision.merge,
        root=disk.active.node,
    )
    return _Chosen(disk, decision, instant, file)


def _check_level(request: BackupRequest, chosen: tuple[_Chosen, ...]) -> None:
    fulls = [c for c in chosen if c.decision.level is DiskLevel.FULL]
    if request.level is Level.INCREMENTAL and fulls:
        raise PlanRefused(
            "an incremental of every disk cannot be had",
            evidence="; ".join(f"{c.disk.target}: {c.decision.reason}" for c in fulls),
            remedy="use --level auto, which takes a full of just these disks",
        )


def _estimated_bytes(chosen: _Chosen) -> int:
    if chosen.decision.level is DiskLevel.INCREMENTAL:
        return chosen.decision.dirty_bytes
    return min(chosen.disk.allocated_bytes, chosen.disk.virtual_bytes)


def _check_room(chosen: tuple[_Chosen, ...], shelf: Shelf) -> int:
    """Bytes the point may take; metadata of qcow2 is about a thousandth."""
    data = sum(_estimated_bytes(c) for c in chosen)
    needed = data + data // 100 + len(chosen) * MiB
    if needed > shelf.free_bytes:
        raise PlanRefused(
            "the repository has no room for this point",
            evidence=(
                f"it may take {needed} bytes ({format_bytes(needed)}), free are"
                f" {shelf.free_bytes} ({format_bytes(shelf.free_bytes)})"
                f" in {shelf.path}"
            ),
            remedy="make room, leave disks out, or use another --repo",
        )
    return needed


def _steps(
    vm: Vm,
    request: BackupRequest,
    shelf: Shelf,
    identity: Identity,
    chosen: tuple[_Chosen, ...],
    excluded: tuple[ExcludedDisk, ...],
    instant: BackupInstant,
) -> tuple[Step, ...]:
    agent = vm.agent.address if vm.agent else ""
    point = identity.point
    steps: list[Step] = [PreparePoint(point)]
    steps += [_create(c, point) for c in chosen]
    if vm.definition:
        steps.append(KeepDefinition(vm.key, point, vm.definition))
    steps.append(AttachTargets(vm.key, instant))
    if request.quiesce:
        steps.append(FreezeGuest(vm.key, agent, request.freeze_deadline_s))
    running = vm.state is VmState.RUNNING
    steps.append(StartBackup(vm.key, instant, running))
    if request.quiesce:
        steps.append(ThawGuest(vm.key, agent))
    steps += [
        AwaitJobs(vm.key, instant),
        FinalizeJobs(vm.key, instant),
        DetachTargets(vm.key, instant),
    ]
    steps += [
        SealTarget(point, c.disk.target, c.file, c.disk.virtual_bytes) for c in chosen
    ]
    steps.append(_manifest(vm, shelf, identity, chosen, excluded))
    steps.append(CommitPoint(point))
    steps.append(DropBitmaps(vm.key, _needless(vm, chosen, shelf)))
    return tuple(steps)


def _index_of(kind: type[Step], steps: tuple[Step, ...]) -> int:
    return next(i for i, step in enumerate(steps) if isinstance(step, kind))


def _needless(
    vm: Vm, chosen: tuple[_Chosen, ...], shelf: Shelf
) -> tuple[tuple[str, str], ...]:
    """The old bitmaps of the disks in this point, and those of the others that not even
    their own newest point needs: a checkpoint that libvirt keeps for all disks together
    goes only with its last one."""
    old = [pair for c in chosen for pair in stale_bitmaps(c.disk, shelf)]
    for disk in vm.disks:
        point = shelf.newest.get(disk.target)
        stored = point.disk(disk.target) if point else None
        if stored is not None and disk.chain and not _is_chosen(disk, chosen):
            old += stale_bitmaps(disk, shelf, keep=stored.bitmap)
    scratch = [(c.disk.active.node, c.instant.scratch_bitmap) for c in chosen]
    return tuple(old + scratch)


def _is_chosen(disk: Disk, chosen: tuple[_Chosen, ...]) -> bool:
    return any(c.disk.target == disk.target for c in chosen)


def _create(chosen: _Chosen, point: str) -> CreateTarget:
    decision = chosen.decision
    backing = None
    if decision.parent and decision.parent_file:
        backing = f"../{decision.parent.point}/{decision.parent_file}"
    return CreateTarget(
        point, chosen.disk.target, chosen.file, chosen.disk.virtual_bytes, backing
    )


def _manifest(
    vm: Vm,
    shelf: Shelf,
    identity: Identity,
    chosen: tuple[_Chosen, ...],
    excluded: tuple[ExcludedDisk, ...],
) -> WriteManifest:
    drafts = tuple(
        DraftDisk(
            target=c.disk.target,
            file=c.file,
            level=c.decision.level,
            reason=c.decision.reason,
            parent=c.decision.parent,
            virtual_bytes=c.disk.virtual_bytes,
            bitmap=c.instant.bitmap,
            source_path=c.disk.active.path,
            source_format=c.disk.active.format,
        )
        for c in chosen
    )
    return WriteManifest(
        point=identity.point,
        seq=shelf.next_seq,
        vm_name=vm.name,
        vm_uuid=vm.uuid,
        vm_key=vm.key,
        qemu_version=vm.capabilities.version_text,
        disks=drafts,
        excluded=excluded,
    )


def _disk_plan(chosen: _Chosen) -> DiskPlan:
    return DiskPlan(
        target=chosen.disk.target,
        level=chosen.decision.level.value,
        reason=chosen.decision.reason,
        estimated_bytes=_estimated_bytes(chosen),
        before=tuple(image.path for image in chosen.disk.chain),
    )


def _warnings(
    vm: Vm, request: BackupRequest, chosen: tuple[_Chosen, ...], shelf: Shelf
) -> tuple[str, ...]:
    warnings = []
    for c in chosen:
        if c.disk.untracked:
            warnings.append(
                f"{c.disk.target}: {c.disk.untracked}: each backup of it is a full"
            )
        elif not c.instant.persistent:
            warnings.append(
                f"{c.disk.target} is {c.disk.active.format}: changes are recorded in"
                " memory only, so that the backup after QEMU ends is a full"
            )
    if any(c.name.startswith(_REFUSES_OTHERS) for c in vm.checkpoints or ()):
        warnings.append(
            "virtnbdbackup keeps checkpoints of this machine, and does not go on beside"
            " those of others: its next backup will refuse (Foreign checkpoint found)"
        )
    shared = sorted({c.disk.target for c in chosen} & shelf.same_file_system)
    if shared:
        warnings.append(
            f"the repository lies on the same file system as {', '.join(shared)}:"
            " what fills or breaks one takes both"
        )
    if request.speed_bytes_per_s:
        warnings += [caution.sentence for caution in vm.cautions(Ability.LIMIT_JOB)]
    if not request.quiesce and vm.state is VmState.RUNNING:
        increments = any(c.decision.level is DiskLevel.INCREMENTAL for c in chosen)
        cautions = vm.cautions(Ability.INCREMENTAL) if increments else ()
        warnings += [caution.sentence for caution in cautions]
        warnings.append("not frozen: the point is as a disk after a power cut")
    return tuple(warnings)


def _guest_effect(vm: Vm, request: BackupRequest) -> str:
    freeze = (
        "its writes wait while it is frozen, about"
        f" {format_duration(TYPICAL_FREEZE_WINDOW_S)}; "
        if request.quiesce
        else ""
    )
    trouble = (
        "a full or dead one breaks the backup and not the guest"
        if vm.capabilities.backup_on_cbw_error
        else "a full or dead one can pause it (the jobs are then cancelled and the"
        " guest is set going again)"
    )
    copying = (
        f"{freeze}while a disk is copied, a write to a block not copied yet waits until"
        " the block's old content is in the repository: a slow target slows or stalls"
        f" the guest, {trouble}"
    )
    known = [caution.sentence for caution in vm.cautions(Ability.BACKUP)]
    return "; ".join((copying, *known))

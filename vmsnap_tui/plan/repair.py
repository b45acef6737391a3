"""Plan a repair: what drifted apart is brought into agreement, disk by disk.

Adopting comes first, as that alone saves a full backup; then what is of no use to
anybody is removed. Nothing of others is touched, and no data of any disk. Every step
is right by itself, so that a repair which breaks in between leaves a better ledger
and nothing to take back.
"""

from dataclasses import replace

from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.model.checkpoint import Record
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.ledger import Ledger, LedgerRow, NextBackup
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.backup import Identity
from vmsnap_tui.plan.ledger import Kept, next_backups
from vmsnap_tui.plan.plan import DiskPlan, Plan
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.plan.steps import AdoptCheckpoint, DropBitmaps, Step


def plan_repair(
    vm: Vm,
    ledger: Ledger,
    kept: Kept,
    request: RepairRequest,
    identity: Identity,
) -> Plan:
    """The plan of one repair. Raises PlanRefused or NotFound; nothing is changed."""
    _check_machine(vm, kept)
    rows = _choose(ledger, request)
    steps = _steps(vm, rows)
    return Plan(
        operation=identity.operation,
        title=f"repair {vm.name}",
        vm_name=vm.name,
        vm=vm.key,
        connection=vm.connection,
        repository=kept.shelf.path,
        point="",
        request=request,
        steps=steps,
        commit_index=len(steps) - 1,
        resume_index=len(steps),
        disks=_disk_plans(vm, ledger, kept, rows),
        warnings=tuple(x.sentence for x in vm.cautions(Ability.REPAIR)),
        guest_effect="nothing: only records of changes are touched, no data",
        if_you_leave=(
            "the step that runs is done, the others are left; the ledger shows what"
            " is still to be repaired"
        ),
        if_it_breaks=(
            "what was repaired stays, as each step is right by itself; the others are"
            " left as they were, and nothing has to be taken back"
        ),
        afterwards=_afterwards(rows),
    )


def _check_machine(vm: Vm, kept: Kept) -> None:
    limit = vm.limit(Ability.REPAIR)
    if limit is not None:
        raise PlanRefused(
            f"{vm.name} cannot be repaired here",
            evidence=limit.reason,
            remedy=f"it needs {limit.needs}" if limit.needs else "look at it only",
        )
    if vm.state in (VmState.OFF, VmState.CRASHED, VmState.UNKNOWN):
        raise PlanRefused(
            f"{vm.name} is not running",
            evidence=f"its state is {vm.status}",
            remedy="start it, paused if need be: only its QEMU can change its bitmaps",
        )
    if kept.busy:
        raise PlanRefused(
            f"an operation on {vm.name} is not over",
            evidence="; ".join(kept.busy),
            remedy="let it end; `vmsnap-tui recover` if it was interrupted",
        )
    if vm.jobs:
        jobs = ", ".join(f"{job.kind} job {job.id}" for job in vm.jobs)
        raise PlanRefused(
            f"a job is at work on {vm.name}",
            evidence=jobs,
            remedy="let it end or cancel it first (`vmsnap-tui jobs`)",
        )


def _choose(ledger: Ledger, request: RepairRequest) -> tuple[LedgerRow, ...]:
    for name in request.checkpoints:
        row = ledger.row(name)
        if row is None:
            raise NotFound(
                f"{ledger.vm_name} has no checkpoint {name}",
                evidence=", ".join(r.name for r in ledger.rows) or "it has none",
                remedy="name one of these, see `vmsnap-tui doctor`",
            )
        if not row.mendable:
            raise _not_mendable(row)
    rows = ledger.mendable
    if request.checkpoints:
        return tuple(row for row in rows if row.name in request.checkpoints)
    if not rows:
        raise PlanRefused(
            f"nothing is to be repaired on {ledger.vm_name}",
            evidence=_all_well(ledger),
            remedy="see `vmsnap-tui doctor` for what each record says",
        )
    return rows


def _not_mendable(row: LedgerRow) -> PlanRefused:
    return PlanRefused(
        f"nothing can be repaired on {row.name}",
        evidence="; ".join(drift.reason for drift in row.drifts)
        or "its records agree with each other",
        remedy="; ".join(drift.remedy for drift in row.drifts) or "leave it as it is",
    )


def _all_well(ledger: Ledger) -> str:
    open_ones = [d.kind.value for row in ledger.rows for d in row.drifts]
    if not open_ones:
        return "checkpoints, bitmaps and points agree"
    return "what there is a repair does nothing about: " + ", ".join(open_ones)


def _steps(vm: Vm, rows: tuple[LedgerRow, ...]) -> tuple[Step, ...]:
    steps: list[Step] = [
        AdoptCheckpoint(vm.key, row.name, row.adopt) for row in rows if row.adopt
    ]
    pairs = tuple(pair for row in rows for pair in row.drop)
    if pairs:
        steps.append(DropBitmaps(vm.key, pairs))
    return tuple(steps)


def _disk_plans(
    vm: Vm, ledger: Ledger, kept: Kept, rows: tuple[LedgerRow, ...]
) -> tuple[DiskPlan, ...]:
    """For each disk what its next backup will be once the repair is done. What is
    dropped changes no level: an increment never stood on it."""
    mended = replace(vm, disks=tuple(_adopted(disk, rows) for disk in vm.disks))
    after = next_backups(mended, kept.shelf)
    chains = {d.target: tuple(image.path for image in d.chain) for d in vm.disks}
    return tuple(
        DiskPlan(
            target=found.target,
            level=f"next: {found.level}" if found.level else "no backup",
            reason=_changed(found, ledger),
            estimated_bytes=found.bytes,
            before=chains[found.target],
        )
        for found in after
    )


def _changed(found: NextBackup, ledger: Ledger) -> str:
    before = next((n for n in ledger.next if n.target == found.target), None)
    if before is None or before.level == found.level:
        return found.reason
    return f"{found.reason}; without the repair it would be a {before.level}"


def _adopted(disk: Disk, rows: tuple[LedgerRow, ...]) -> Disk:
    if disk.records is None:
        return disk
    known = [
        Record(row.name, cell.dirty_bytes or 0)
        for row in rows
        if disk.target in row.adopt
        if (cell := row.cell(disk.target))
    ]
    return replace(disk, records=(*disk.records, *known))


def _afterwards(rows: tuple[LedgerRow, ...]) -> str:
    adopted = [row.name for row in rows if row.adopt]
    dropped = [row.name for row in rows if row.drop]
    foreign = "; what others made is as it was"
    parts = []
    if adopted:
        parts.append(f"the hypervisor knows {', '.join(adopted)} again")
    if dropped:
        parts.append(f"{', '.join(dropped)} {_are(dropped)} gone")
    return "; ".join(parts) + foreign


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"

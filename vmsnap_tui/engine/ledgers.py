"""Read the three records of a machine, and make ledgers and repairs of them.

QEMU itself is asked for its bitmaps where the ledger of one machine is wanted: on a
libvirt domain that leaves a mark (it is "tainted"), so that a look at all machines
does without.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmsnap_tui.engine.shelves import shelf_of
from vmsnap_tui.errors import PlanRefused, VmsnapError
from vmsnap_tui.model.ledger import Ledger
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.ledger import Kept, ledger_of
from vmsnap_tui.plan.repair import plan_repair
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.plan.backup import Identity
    from vmsnap_tui.plan.plan import Plan

Entry = StoredPoint | DamagedEntry

NOT_ASKED = "QEMU itself was not asked for its bitmaps: `vmsnap-tui doctor {vm}` does"


async def read_ledger(engine: "Engine", name: str) -> Ledger:
    """The ledger of one machine as it is now. Raises NotFound, UsageError,
    NoConnection, PlanRefused."""
    vm, untold = await _inspected(engine, name)
    kept = await asyncio.to_thread(kept_of, engine, vm)
    return ledger_of(vm, kept, untold)


async def read_ledgers(engine: "Engine", vms: Sequence[Vm]) -> tuple[Ledger, ...]:
    """Of many machines without leaving a mark on any; those of which no party keeps
    a record are left out."""
    entries = await asyncio.to_thread(engine.points)
    with_points = {e.point.vm_key for e in entries if isinstance(e, StoredPoint)}
    found = []
    for vm in vms:
        if vm.key in with_points or _has_records(vm):
            found.append(await _glanced(engine, vm, entries))
    return tuple(found)


async def _glanced(engine: "Engine", vm: Vm, entries: Sequence[Entry]) -> Ledger:
    untold = ""
    try:
        vm = await engine.look(vm.key)
    except VmsnapError as error:
        untold = f"this is what was read last: {error}"
    if vm.checkpoints is not None and not untold:
        untold = NOT_ASKED.format(vm=vm.name)
    kept = await asyncio.to_thread(kept_of, engine, vm, entries)
    return ledger_of(vm, kept, untold)


async def make_repair(
    engine: "Engine", request: RepairRequest, identity: "Identity"
) -> "Plan":
    """The plan of a repair on the world as it is now. Raises PlanRefused, NotFound,
    UsageError, NoConnection."""
    vm, untold = await _inspected(engine, request.vm)
    kept = await asyncio.to_thread(kept_of, engine, vm, None, identity.operation)
    if kept is None:
        raise PlanRefused(
            f"nothing of {vm.name} is this program's to repair",
            evidence=f"there is no repository in {engine.settings.repository}",
            remedy="name the repository of its points with --repo",
        )
    return plan_repair(vm, ledger_of(vm, kept, untold), kept, request, identity)


def kept_of(
    engine: "Engine",
    vm: Vm,
    entries: Sequence[Entry] | None = None,
    operation: str = "",
) -> Kept | None:
    """The repository's side; `operation` is the one that asks, and is not in its own
    way. What is being made is read before what was made, so that a point is never in
    neither."""
    repository = engine.repository
    if repository is None:
        return None
    running = [h for h in engine.runs if not h.done and h.operation != operation]
    left = [one for one in engine.unfinished() if one.operation != operation]
    pending = {*repository.partials(), *(one.point for one in left)}
    pending |= {handle.plan.point for handle in running}
    if entries is None:
        entries = repository.listing()
    return Kept(
        shelf=shelf_of(repository, vm),
        points=tuple(e.point for e in entries if isinstance(e, StoredPoint)),
        damaged=frozenset(e.id for e in entries if isinstance(e, DamagedEntry)),
        pending=frozenset(pending - {""}),
        busy=(
            *(f"{h.plan.title} {h.operation}" for h in running if h.plan.vm == vm.key),
            *(f"{o.title} {o.operation}" for o in left if o.vm == vm.key),
        ),
        machines=frozenset(vm.key for view in engine.fleet for vm in view.vms),
    )


async def _inspected(engine: "Engine", name: str) -> tuple[Vm, str]:
    """The machine with all that can be told of it, and what could not and why."""
    vm = engine.find_vm(name)
    limit = vm.limit(Ability.INSPECT)
    runs = vm.state not in (VmState.OFF, VmState.CRASHED)
    if limit is None and runs:
        return await engine.look(name, inspect=True), ""
    why = limit.sentence if limit else "the machine is off"
    untold = f"QEMU itself was not asked for its bitmaps: {why}"
    return await engine.look(name), untold


def _has_records(vm: Vm) -> bool:
    images = (image for disk in vm.disks for image in disk.chain)
    return bool(vm.checkpoints) or any(image.bitmaps for image in images)

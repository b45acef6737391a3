"""Ledgers and repairs of machines as they are: in memory, and of real QEMU."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from tests.engine.instants import Instants, recovered
from tests.engine.instants import Killed as At
from tests.engine.rig import Rig
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.engine.ledgers import kept_of, read_ledgers
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import NoConnection, PlanRefused, StepFailed
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.ledger import DriftKind, Holding, Ledger, Standing
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.requests import BackupRequest, RepairRequest
from vmsnap_tui.plan.steps import AdoptCheckpoint, DropBitmaps


class Killed(BaseException):
    """Stands for SIGKILL."""


class Keeper(MemoryBackend):
    """A machine in memory whose hypervisor keeps checkpoints, and can lose them.

    As with libvirt a checkpoint is of all its disks, it vouches for a record by name,
    and takes its bitmaps with it.
    """

    def __init__(self) -> None:
        super().__init__("web-01")
        self.known: dict[str, tuple[str, ...]] = {}
        self.inspected = 0
        self.limits: tuple[Limit, ...] = ()

    async def read(self) -> tuple[Vm, ...]:
        (vm,) = await super().read()
        names = {b.name for d in vm.disks for b in d.active.bitmaps}
        for name in [n for n in self.known if n not in names]:
            del self.known[name]
        checkpoints = tuple(Checkpoint(n, "", t) for n, t in self.known.items())
        disks = tuple(
            replace(
                disk,
                records=tuple(
                    Record(b.name, b.dirty_bytes, "" if b.trusted else "broken")
                    for b in disk.active.bitmaps
                    if disk.target in self.known.get(b.name, ())
                ),
            )
            for disk in vm.disks
        )
        return (replace(vm, disks=disks, checkpoints=checkpoints, limits=self.limits),)

    async def inspect(self, vm: str) -> Vm:
        self.inspected += 1
        return await super().inspect(vm)

    async def learn(self) -> None:
        """Know every bitmap as a checkpoint, as one that made them itself does."""
        (vm,) = await MemoryBackend.read(self)
        for disk in vm.disks:
            for bitmap in disk.active.bitmaps:
                targets = self.known.get(bitmap.name, ())
                self.known[bitmap.name] = (*targets, disk.target)

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        self.before_effect("adopt_checkpoint")
        self.known[name] = targets


def engine_on(backend: MemoryBackend, directory: Path) -> Engine:
    settings = Settings((backend.uri,), directory / "repo", directory / "state")
    return Engine(settings, lambda uri: backend)


async def backed_up(backend: MemoryBackend, directory: Path) -> Engine:
    engine = engine_on(backend, directory)
    await engine.open()
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    await engine.refresh()
    return engine


def kinds(ledger: Ledger) -> list[DriftKind]:
    return [drift.kind for row in ledger.rows for drift in row.drifts]


async def test_after_a_backup_the_three_records_agree(tmp_path: Path) -> None:
    engine = await backed_up(MemoryBackend("web-01"), tmp_path)
    ledger = await engine.ledger("web-01")
    assert (ledger.disks, ledger.keeps_checkpoints) == (("vda", "vdb"), False)
    (row,) = ledger.rows
    assert (row.holding, row.drifts) == (Holding.STORED, ())
    assert [found.level for found in ledger.next] == ["incremental", "incremental"]
    with pytest.raises(PlanRefused, match="agree"):
        await engine.plan(RepairRequest("web-01"))
    await engine.close()


async def test_bitmaps_broken_by_a_crash_are_repaired(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    engine = await backed_up(backend, tmp_path)
    backend.restart(crashed=False)
    backend.restart(crashed=True)
    assert kinds(await engine.ledger("web-01")) == [DriftKind.INCONSISTENT]
    plan = await engine.plan(RepairRequest("web-01"))
    result = await engine.start(plan).result()
    assert (result.outcome, result.error, result.warnings) == (Outcome.DONE, "", ())
    assert [disk.level for disk in result.disks] == ["next: full", "next: full"]
    assert kinds(await engine.ledger("web-01")) == [DriftKind.POINT_WITHOUT_RECORD]
    assert engine.unfinished() == ()
    await engine.close()


async def test_a_lost_checkpoint_is_adopted_and_the_next_is_an_increment(
    tmp_path: Path,
) -> None:
    backend = Keeper()
    engine = await backed_up(backend, tmp_path)
    ledger = await engine.ledger("web-01")
    assert kinds(ledger) == [DriftKind.BITMAP_WITHOUT_CHECKPOINT]
    assert backend.inspected == 1
    assert [n.level for n in ledger.next] == ["full", "full"]
    plan = await engine.plan(RepairRequest("web-01"))
    assert [type(step) for step in plan.steps] == [AdoptCheckpoint]
    assert (await engine.start(plan).result()).outcome is Outcome.DONE
    ledger = await engine.ledger("web-01")
    assert kinds(ledger) == []
    assert [n.level for n in ledger.next] == ["incremental", "incremental"]
    await engine.close()


async def test_a_repair_that_is_refused_changes_nothing_and_says_so(
    tmp_path: Path,
) -> None:
    backend = Keeper()
    engine = await backed_up(backend, tmp_path)

    def refuse(effect: str) -> None:
        if effect == "adopt_checkpoint":
            raise StepFailed("the bitmap is broken", evidence="vda")

    plan = await engine.plan(RepairRequest("web-01"))
    backend.before_effect = refuse
    result = await engine.start(plan).result()
    assert result.outcome is Outcome.UNDONE
    assert "the bitmap is broken" in result.error
    assert engine.unfinished() == ()
    await engine.close()


async def test_a_repair_that_was_killed_is_closed_and_not_gone_on_with(
    tmp_path: Path,
) -> None:
    """What it would remove is looked for anew: the machine may be another by then."""
    backend = MemoryBackend("web-01")
    engine = await backed_up(backend, tmp_path)
    backend.restart(crashed=False)
    backend.restart(crashed=True)

    def kill(effect: str) -> None:
        raise Killed

    handle = engine.start(await engine.plan(RepairRequest("web-01")))
    backend.before_effect = kill
    with pytest.raises(Killed):
        await handle.result()
    backend.before_effect = lambda effect: None
    with pytest.raises(PlanRefused, match="is not over"):
        await engine.plan(RepairRequest("web-01"))
    (left,) = engine.unfinished()
    result = await engine.recover(left.operation).result()
    assert result.outcome is Outcome.UNDONE
    assert kinds(await engine.ledger("web-01")) == [DriftKind.INCONSISTENT]
    assert (await engine.plan(RepairRequest("web-01"))).steps
    await engine.close()


async def test_a_ledger_that_changed_since_the_plan_is_not_repaired(
    tmp_path: Path,
) -> None:
    backend = Keeper()
    engine = await backed_up(backend, tmp_path)
    plan = await engine.plan(RepairRequest("web-01"))
    await backend.learn()
    with pytest.raises(PlanRefused, match="agree"):
        await engine.start(plan).result()
    await engine.close()


async def test_a_point_that_is_being_made_is_no_drift(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01", completes=False)
    engine = engine_on(backend, tmp_path)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    async for event in handle.events():
        if "copy" in str(getattr(event, "text", "")):
            break
    ledger = await engine.ledger("web-01")
    assert {row.holding for row in ledger.rows} == {Holding.PENDING}
    assert kinds(ledger) == []
    with pytest.raises(PlanRefused, match="backup web-01"):
        await engine.plan(RepairRequest("web-01"))
    backend.complete_jobs()
    await handle.result()
    await engine.close()


async def test_where_qemu_may_not_be_asked_the_ledger_says_so(tmp_path: Path) -> None:
    backend = Keeper()
    backend.limits = (Limit(Ability.INSPECT, "you may only look"),)
    engine = await backed_up(backend, tmp_path)
    ledger = await engine.ledger("web-01")
    assert backend.inspected == 0
    assert "you may only look" in ledger.untold
    await engine.close()


async def test_a_look_at_all_machines_leaves_no_mark(tmp_path: Path) -> None:
    backend = Keeper()
    engine = await backed_up(backend, tmp_path)
    (ledger,) = await read_ledgers(engine, [engine.find_vm("web-01")])
    assert backend.inspected == 0
    assert "doctor web-01" in ledger.untold
    backend.lose_connection()
    (ledger,) = await read_ledgers(engine, [engine.find_vm("web-01")])
    assert "read last" in ledger.untold
    with pytest.raises(NoConnection):
        await engine.ledger("web-01")
    await engine.close()


async def test_machines_without_any_record_are_left_out(tmp_path: Path) -> None:
    engine = engine_on(MemoryBackend("web-01"), tmp_path)
    await engine.open()
    vm = engine.find_vm("web-01")
    assert await read_ledgers(engine, [vm]) == ()
    assert kept_of(engine, vm) is None
    with pytest.raises(PlanRefused, match="no repository"):
        await engine.plan(RepairRequest("web-01"))
    await engine.close()


async def killed_repair(rig: Rig, instants: Instants, instant: int) -> bool:
    """Run a repair that is killed there; False when it ended before."""
    instants.count, instants.kill_at, instants.names = 0, instant, []
    engine = await rig.engine()
    try:
        plan = await engine.plan(RepairRequest(rig.machine.name))
        await engine.start(plan).result()
    except At:
        return True
    finally:
        instants.kill_at = -1
        await rig.close()
    return False


@pytest.mark.qemu
async def test_a_repair_may_be_killed_at_any_instant(
    machine: StartMachine, lab_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery closes it; what is left is shown, and the next repair does it."""
    web, instants = await machine(), Instants(monkeypatch)
    rig = Rig(web, lab_directory)
    await rig.backup()
    engine = await rig.engine()
    (row,) = (await engine.ledger(web.name)).rows
    (node,) = row.cells[0].nodes
    await rig.close()
    dead = row.name[:-8] + "00000000"
    instant, killed = 0, True
    while killed:
        await web.lab.execute("block-dirty-bitmap-add", node=node, name=dead)
        killed = await killed_repair(rig, instants, instant)
        instant += 1
        if killed:
            await recovered(rig)
        engine = await rig.engine()
        assert engine.unfinished() == (), instants.names
        ledger = await engine.ledger(web.name)
        assert [found.level for found in ledger.next] == ["incremental"]
        if ledger.row(dead):
            plan = await engine.plan(RepairRequest(web.name))
            assert (await engine.start(plan).result()).outcome is Outcome.DONE
        await rig.close()
    assert instant > 6


@pytest.mark.qemu
async def test_a_killed_qemu_leaves_records_that_a_repair_removes(
    machine: StartMachine, lab_directory: Path
) -> None:
    """Inconsistent on the disk that recorded persistently, gone on the raw one; a
    stranger's bitmap is broken alike and stays as it is."""
    web = await machine(DiskSpec("vda"), DiskSpec("vdb", format="raw"))
    rig = Rig(web, lab_directory)
    engine = await rig.engine()
    (vm,) = engine.fleet[0].vms
    active = vm.disk("vda")
    assert active is not None
    node = active.active.node
    await web.lab.execute(
        "block-dirty-bitmap-add", node=node, name="virtnbdbackup.0", persistent=True
    )
    await engine.start(await engine.plan(BackupRequest(web.name))).result()
    ledger = await engine.ledger(web.name)
    assert kinds(ledger) == [DriftKind.FOREIGN]
    await rig.close()

    await web.stop()
    await web.start()
    await web.kill()
    await web.start()
    engine = await rig.engine()
    ledger = await engine.ledger(web.name)
    assert sorted(kinds(ledger)) == sorted(
        [
            DriftKind.FOREIGN,
            DriftKind.INCONSISTENT,
            DriftKind.INCONSISTENT,
            DriftKind.POINT_WITHOUT_RECORD,
        ]
    )
    plan = await engine.plan(RepairRequest(web.name))
    assert [type(step) for step in plan.steps] == [DropBitmaps]
    result = await engine.start(plan).result()
    assert (result.outcome, result.warnings) == (Outcome.DONE, ())
    ledger = await engine.ledger(web.name)
    foreign = ledger.row("virtnbdbackup.0")
    assert foreign is not None
    cell = foreign.cell("vda")
    assert cell is not None and cell.standing is Standing.INCONSISTENT
    assert ledger.mendable == ()
    await rig.close()
    done = await rig.backup()
    assert {disk.level for disk in done.disks} == {"full"}
    assert await rig.restore(done.point) == await rig.contents()

"""Records of a libvirt domain that drifted apart, by virsh and by a crash: each has its
name, and is repaired without a point or an increment being lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import StartDomain
from tests.engine.instants import Instants, Killed, recovered
from tests.life.domains import DomainOracle
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import Outcome, RunResult
from vmsnap_tui.engine.ledgers import read_ledgers
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.model.ledger import DriftKind, Ledger, Standing
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.plan.steps import AdoptCheckpoint, DropBitmaps
from vmsnap_tui.units import MiB

pytestmark = pytest.mark.libvirt

K = DriftKind
FAILED = "20261120T020000Z-33333333"
MARK = "tainted: custom monitor control commands issued"


@pytest.fixture
async def rig(domain: StartDomain, lab_directory: Path) -> AsyncIterator[DomainOracle]:
    """A domain of two disks with something in them, and one point of both."""
    disks = [DiskSpec(target, size_bytes=8 * MiB) for target in ("vda", "vdb")]
    found = DomainOracle(await domain(*disks), lab_directory)
    await write(found.machine, 1)
    assert not (await found.backup()).error
    yield found
    await found.close()


async def write(machine: Domain, number: int) -> None:
    for target in ("vda", "vdb"):
        await machine.qemu_io(target, f"write -P {number} {number * 65536} 4096")


async def ledger_of(rig: DomainOracle) -> Ledger:
    engine = await rig.engine()
    try:
        return await engine.ledger(rig.machine.name)
    finally:
        await rig.close()


async def repaired(rig: DomainOracle, *checkpoints: str) -> RunResult:
    engine: Engine = await rig.engine()
    try:
        request = RepairRequest(rig.machine.name, checkpoints)
        return await engine.start(await engine.plan(request)).result()
    finally:
        await rig.close()


def kinds(ledger: Ledger) -> list[DriftKind]:
    return [drift.kind for row in ledger.rows for drift in row.drifts]


async def newest(rig: DomainOracle) -> str:
    (row,) = (await ledger_of(rig)).rows
    return row.name


async def create(rig: DomainOracle, name: str) -> None:
    """A checkpoint of both disks, by virsh."""
    disks = [word for t in ("vda", "vdb") for word in ("--diskspec", t)]
    await rig.virsh("checkpoint-create-as", rig.machine.name, name, *disks)


async def backed_up(rig: DomainOracle) -> dict[str, str]:
    """One more backup, which restores to the byte; the level of each disk."""
    done = await rig.backup()
    assert done.outcome is Outcome.DONE, done
    assert await rig.restore(done.point) == await rig.contents()
    return {disk.target: disk.level for disk in done.disks}


async def test_after_a_backup_the_three_records_agree(rig: DomainOracle) -> None:
    ledger = await ledger_of(rig)
    assert ledger.keeps_checkpoints and not ledger.untold
    assert kinds(ledger) == []
    (row,) = ledger.rows
    assert (row.in_metadata, row.stored) == (True, "yes")
    assert {cell.standing for cell in row.cells} == {Standing.RECORDING}
    assert [found.level for found in ledger.next] == ["incremental"] * 2


async def test_lost_metadata_is_adopted_and_the_next_is_an_increment(
    rig: DomainOracle,
) -> None:
    name = await newest(rig)
    await rig.virsh("checkpoint-delete", rig.machine.name, name, "--metadata")
    await write(rig.machine, 2)
    ledger = await ledger_of(rig)
    assert kinds(ledger) == [K.BITMAP_WITHOUT_CHECKPOINT]
    assert [found.level for found in ledger.next] == ["full", "full"]
    engine = await rig.engine()
    plan = await engine.plan(RepairRequest(rig.machine.name))
    assert plan.steps == (AdoptCheckpoint(ledger.vm, name, ("vda", "vdb")),)
    assert name in "".join(engine.commands(plan)[0])
    await rig.close()
    assert (await repaired(rig)).outcome is Outcome.DONE
    assert await rig.checkpoints() == {name}
    assert kinds(await ledger_of(rig)) == []
    await write(rig.machine, 3)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}


async def test_a_domain_that_was_defined_anew_keeps_its_increments(
    rig: DomainOracle,
) -> None:
    """`undefine --checkpoints-metadata`: the images still have their bitmaps."""
    name = await newest(rig)
    await rig.machine.destroy()
    await rig.machine.undefine()
    await rig.machine.define()
    await rig.machine.start()
    await write(rig.machine, 2)
    assert kinds(await ledger_of(rig)) == [K.BITMAP_WITHOUT_CHECKPOINT]
    assert (await repaired(rig)).outcome is Outcome.DONE
    assert await rig.checkpoints() == {name}
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}


async def test_after_a_crash_the_dead_checkpoint_is_removed_and_the_next_is_full(
    rig: DomainOracle,
) -> None:
    await rig.machine.destroy()
    await rig.machine.start()
    await rig.machine.kill()
    await rig.machine.start()
    ledger = await ledger_of(rig)
    assert kinds(ledger) == [K.INCONSISTENT]
    result = await repaired(rig)
    assert (result.outcome, result.warnings) == (Outcome.DONE, ())
    assert (await rig.checkpoints(), await rig.bitmaps()) == (set(), set())
    assert kinds(await ledger_of(rig)) == [K.POINT_WITHOUT_RECORD]
    assert await backed_up(rig) == {"vda": "full", "vdb": "full"}
    await write(rig.machine, 4)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}


async def test_a_checkpoint_that_was_never_stored_outlives_its_bitmaps(
    rig: DomainOracle,
) -> None:
    """QEMU killed in the run that made it: metadata alone is left."""
    await rig.machine.kill()
    await rig.machine.start()
    assert kinds(await ledger_of(rig)) == [K.CHECKPOINT_WITHOUT_BITMAP]
    assert (await repaired(rig)).outcome is Outcome.DONE
    assert await rig.checkpoints() == set()
    assert await backed_up(rig) == {"vda": "full", "vdb": "full"}


async def test_only_the_disk_that_lost_its_record_becomes_a_full(
    rig: DomainOracle,
) -> None:
    name = await newest(rig)
    blocks = await rig.machine.execute("query-block")
    vdb = blocks[1]["inserted"]["node-name"]
    await rig.machine.execute("block-dirty-bitmap-remove", node=vdb, name=name)
    await write(rig.machine, 2)
    ledger = await ledger_of(rig)
    assert kinds(ledger) == [K.CHECKPOINT_WITHOUT_BITMAP, K.PARTIAL]
    with pytest.raises(PlanRefused, match="checkpoint-without-bitmap"):
        await repaired(rig)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "full"}
    assert kinds(await ledger_of(rig)) == []


async def test_what_a_failed_backup_left_goes_and_what_others_made_stays(
    rig: DomainOracle,
) -> None:
    name = await newest(rig)
    prefix = name[: len("vmsnap-01234567-")]
    await create(rig, prefix + FAILED)
    await create(rig, "virtnbdbackup.0")
    ledger = await ledger_of(rig)
    assert set(kinds(ledger)) == {K.FAILED_BACKUP, K.FOREIGN}
    engine = await rig.engine()
    plan = await engine.plan(RepairRequest(rig.machine.name))
    assert [type(step) for step in plan.steps] == [DropBitmaps]
    await rig.close()
    assert (await repaired(rig)).warnings == ()
    assert await rig.checkpoints() == {name, "virtnbdbackup.0"}
    assert await rig.bitmaps() == {name, "virtnbdbackup.0"}
    await write(rig.machine, 2)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}
    assert "virtnbdbackup.0" in await rig.checkpoints()


async def test_a_stray_bitmap_that_nobody_knows_is_removed(rig: DomainOracle) -> None:
    name = await newest(rig)
    stray = name[: len("vmsnap-01234567-")] + FAILED
    await create(rig, stray)
    await rig.virsh("checkpoint-delete", rig.machine.name, stray, "--metadata")
    ledger = await ledger_of(rig)
    assert kinds(ledger) == [K.FAILED_BACKUP]
    row = ledger.row(stray)
    assert row is not None and row.in_metadata is False
    assert (await repaired(rig, stray)).warnings == ()
    assert await rig.bitmaps() == {name}
    assert await rig.checkpoints() == {name}
    await write(rig.machine, 2)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}


async def test_a_repair_may_be_killed_at_any_instant(
    rig: DomainOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adopted or not, removed or not: each is right by itself, and the next repair
    brings the rest."""
    name, instants = await newest(rig), Instants(monkeypatch)
    failed = name[: len("vmsnap-01234567-")] + FAILED
    instant, killed = 0, True
    while killed:
        await rig.virsh("checkpoint-delete", rig.machine.name, name, "--metadata")
        await create(rig, failed)
        instants.count, instants.kill_at, instants.names = 0, instant, []
        try:
            await repaired(rig)
        except Killed:
            instants.kill_at = -1
            await recovered(rig)
        else:
            instants.kill_at, killed = -1, False
        instant += 1
        if (await ledger_of(rig)).mendable:
            assert (await repaired(rig)).outcome is Outcome.DONE, instants.names
        assert await rig.checkpoints() == {name}, instants.names
        assert await rig.bitmaps() == {name}, instants.names
    assert instant > 12
    await write(rig.machine, 2)
    assert await backed_up(rig) == {"vda": "incremental", "vdb": "incremental"}


async def test_only_the_ledger_of_one_domain_leaves_a_mark_on_it(
    rig: DomainOracle,
) -> None:
    """A look at all machines asks no QEMU behind libvirt's back."""
    name = rig.machine.name
    engine = await rig.engine()
    assert await engine.doctor() == ()
    assert MARK not in await rig.virsh("dominfo", name)
    (ledger,) = await read_ledgers(engine, [engine.find_vm(name)])
    assert f"`vmsnap-tui doctor {name}`" in ledger.untold
    assert {c.standing for c in ledger.rows[0].cells} == {Standing.RECORDING}
    await engine.doctor(name)
    assert MARK in await rig.virsh("dominfo", name)


async def test_a_domain_that_is_off_is_shown_and_not_repaired(
    rig: DomainOracle,
) -> None:
    name = await newest(rig)
    await rig.machine.destroy()
    ledger = await ledger_of(rig)
    assert "off" in ledger.untold
    row = ledger.row(name)
    assert row is not None and row.in_metadata
    assert {cell.standing for cell in row.cells} == {Standing.UNKNOWN}
    assert kinds(ledger) == []
    with pytest.raises(PlanRefused, match="not running"):
        await repaired(rig)

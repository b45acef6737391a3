"""The machines in the pictures drift in the way that their names say."""

from vmsnap_tui.model.ledger import DriftKind
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.ledger import ledger_of
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.plan.steps import AdoptCheckpoint, DropBitmaps
from vmsnap_tui.tui import fixed_ledgers as fixed


def kinds(vm: Vm) -> set[DriftKind]:
    rows = ledger_of(vm, fixed.kept()).rows
    return {drift.kind for row in rows for drift in row.drifts}


def test_each_machine_drifts_as_it_is_called() -> None:
    assert kinds(fixed.whole()) == set()
    assert kinds(fixed.without_records()) == {DriftKind.POINT_WITHOUT_RECORD}
    assert DriftKind.FOREIGN in kinds(fixed.hostile())
    assert kinds(fixed.lost_metadata()) == {
        DriftKind.BITMAP_WITHOUT_CHECKPOINT,
        DriftKind.FAILED_BACKUP,
        DriftKind.SUPERSEDED,
        DriftKind.FOREIGN,
        DriftKind.INCONSISTENT,
    }


def test_the_repair_is_the_planners() -> None:
    plan = fixed.repair_plan(fixed.lost_metadata(), RepairRequest("web-01"))
    assert [type(step) for step in plan.steps] == [AdoptCheckpoint, DropBitmaps]

"""What is said of a drift, and what is promised about it."""

from tests.plan.ledger_material import NAMES, Fate, kept, machine
from vmsnap_tui.model.ledger import Drift, DriftKind, LedgerRow
from vmsnap_tui.plan.drifts import drifts_of
from vmsnap_tui.plan.ledger import ledger_of


def row(name: str, **fates: Fate) -> LedgerRow:
    found = ledger_of(machine(NAMES[name], fates), kept(*fates)).row(NAMES[name])
    assert found is not None
    return found


def drift(name: str, kind: DriftKind, **fates: Fate) -> Drift:
    return next(d for d in drifts_of(row(name, **fates)) if d.kind is kind)


def test_what_a_repair_saves_is_a_warning_and_what_heals_alone_a_note() -> None:
    lost = drift(
        "newest", DriftKind.BITMAP_WITHOUT_CHECKPOINT, vda=Fate("whole", "lost")
    )
    assert lost.severity == "warning" and lost.mendable
    assert "stays an increment" in lost.remedy
    dead = drift(
        "newest", DriftKind.INCONSISTENT, vda=Fate("inconsistent", "keeps none")
    )
    assert dead.severity == "note" and dead.mendable
    assert "QEMU was killed" in dead.reason
    assert "the next backup of vda is a full; a repair removes it now" in dead.remedy


def test_a_failed_backups_checkpoint_says_what_an_increment_from_it_would_miss() -> (
    None
):
    found = drift("failed", DriftKind.FAILED_BACKUP, vda=Fate("whole", "whole"))
    assert "would miss what was written before" in found.reason
    assert found.targets == ("vda",)


def test_what_is_missing_names_the_disks() -> None:
    found = drift(
        "newest",
        DriftKind.CHECKPOINT_WITHOUT_BITMAP,
        vda=Fate("none", "broken"),
        vdb=Fate("none", "broken"),
    )
    assert found.targets == ("vda", "vdb")
    assert "vda, vdb is a full" in found.remedy


def test_broken_records_of_others_are_left_to_their_owner() -> None:
    found = drift(
        "virtnbdbackup", DriftKind.INCONSISTENT, vda=Fate("inconsistent", "broken")
    )
    assert "its owner has to remove it" in found.remedy
    assert found.severity == "warning" and not found.mendable


def test_an_operation_that_is_not_over_has_no_drift() -> None:
    assert drifts_of(row("pending", vda=Fate("whole", "keeps none"))) == ()


def test_metadata_of_a_disk_that_is_gone_is_told() -> None:
    old = row("older", vda=Fate("none", "broken"))
    (found,) = drifts_of(old, ("vdz",))
    assert "it tracks vdz, which the machine has no more" in found.reason

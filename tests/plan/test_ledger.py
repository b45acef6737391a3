"""Three records held against each other: the whole truth table, and its laws.

Two disks, each with every fate that a bitmap and its metadata can have, under every
kind of name: whatever comes out must agree with what a backup would decide, and a
repair must never take away what an increment stands on.
"""

from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.ledger_material import (
    BITMAPS,
    DAMAGED,
    ELSEWHERE,
    METADATA,
    NAMES,
    OTHER_KEY,
    PENDING,
    Fate,
    kept,
    machine,
    mended,
)
from tests.plan.material import EARLIER, PREFIX, a_bitmap, a_disk, a_vm, an_image
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.checkpoint import Checkpoint
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.ledger import DriftKind, Holding, LedgerRow, Owner, Standing
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.ledger import Kept, ledger_of, maker_of, next_backups
from vmsnap_tui.plan.levels import decide
from vmsnap_tui.plan.requests import Level

K = DriftKind


def fates() -> list[Fate]:
    """What can be: metadata vouches as whole only for bitmaps that are, or that were
    not read."""
    return [
        Fate(bitmap, metadata)
        for bitmap, metadata in product(BITMAPS, METADATA)
        if not (metadata == "whole" and bitmap not in ("whole", "unread", "busy"))
    ]


QMP = [fate for fate in fates() if fate.metadata == "keeps none"]
LIBVIRT = [fate for fate in fates() if fate.metadata != "keeps none"]
CASES = [
    (name, {"vda": first, "vdb": second})
    for name in NAMES
    for group in (QMP, LIBVIRT)
    for first in group
    for second in group
]


KEPT = kept("vda", "vdb")


@cache
def table() -> tuple[tuple[str, dict[str, Fate], Vm, LedgerRow], ...]:
    """Every case of which any party keeps a record, with its row."""
    found = []
    for name, two in CASES:
        vm = machine(NAMES[name], two)
        row = ledger_of(vm, KEPT).row(NAMES[name])
        if row is not None:
            found.append((name, two, vm, row))
    return tuple(found)


def levels(vm: Vm, holdings: Kept) -> dict[str, str]:
    """What a backup would decide of each disk."""
    found = {}
    for disk in vm.disks:
        try:
            found[disk.target] = decide(disk, Level.AUTO, holdings.shelf).level.value
        except PlanRefused:
            found[disk.target] = "refused"
    return found


def test_the_table_agrees_with_what_a_backup_decides() -> None:
    """A cell says "recording" of what is needed exactly where an increment is made."""
    for name, two, vm, row in table():
        decided = levels(vm, KEPT)
        for cell in row.cells:
            if not cell.needed:
                continue
            stands = cell.standing is Standing.RECORDING
            incremental = stands and cell.in_metadata is not False
            said = decided[cell.target]
            if said == "refused":
                assert cell.standing is Standing.BUSY, (name, two)
                continue
            assert (said == "incremental") == incremental, (name, two, cell)


def test_a_repair_never_costs_an_increment_and_adopting_gains_one() -> None:
    for name, two, vm, row in table():
        if not row.mendable:
            continue
        before, after = levels(vm, KEPT), levels(mended(vm, row), KEPT)
        for target, level in before.items():
            gained = target in row.adopt
            wanted = "incremental" if gained else level
            assert after[target] == wanted, (name, two, row)


def test_after_a_repair_nothing_is_left_to_repair() -> None:
    for name, two, vm, row in table():
        if row.mendable:
            again = ledger_of(mended(vm, row), KEPT).row(row.name)
            assert again is None or not again.mendable, (name, two, again)


def test_what_is_not_ours_or_not_over_is_never_touched() -> None:
    untouched = set(NAMES) - {
        "newest",
        "older",
        "failed",
        "scratch",
        "scratch of a point",
    }
    for name, two, _, row in table():
        if name in untouched:
            assert not row.mendable, (name, two)


def test_what_is_in_use_is_never_touched() -> None:
    for name, two, _, row in table():
        if any(cell.standing is Standing.BUSY for cell in row.cells):
            assert not row.mendable, (name, two)


def test_unknown_is_never_told_as_missing() -> None:
    for name, two, _, row in table():
        for cell in row.cells:
            unread = two[cell.target].bitmap == "unread"
            assert not (unread and cell.standing is Standing.MISSING), (name, two)


def test_every_drift_has_a_reason_and_a_remedy_and_says_whether_it_is_repaired() -> (
    None
):
    for name, two, _, row in table():
        for drift in row.drifts:
            assert drift.reason and drift.remedy, (name, two, drift)
        assert row.mendable == any(d.mendable for d in row.drifts), (name, two, row)


def test_a_record_of_ours_is_silent_only_where_all_of_it_is_well() -> None:
    for name, two, _, row in table():
        if row.drifts or row.holding is Holding.PENDING:
            continue
        assert name == "newest", (name, two)
        well = {Standing.RECORDING, Standing.BUSY, Standing.UNKNOWN}
        assert {c.standing for c in row.cells} <= well, (name, two)


def kinds(name: str, fate: Fate) -> list[DriftKind]:
    vm = machine(NAMES[name], {"vda": fate})
    row = ledger_of(vm, kept("vda")).row(NAMES[name])
    return [drift.kind for drift in row.drifts] if row else []


@pytest.mark.parametrize(
    ("name", "fate", "wanted"),
    [
        ("newest", Fate("whole", "keeps none"), []),
        ("newest", Fate("whole", "whole"), []),
        ("newest", Fate("unread", "whole"), []),
        ("newest", Fate("unread", "not asked"), []),
        ("newest", Fate("none", "keeps none"), [K.POINT_WITHOUT_RECORD]),
        ("newest", Fate("inconsistent", "keeps none"), [K.INCONSISTENT]),
        ("newest", Fate("inconsistent", "broken"), [K.INCONSISTENT]),
        ("newest", Fate("off", "keeps none"), [K.SWITCHED_OFF]),
        ("newest", Fate("below", "keeps none"), [K.UNPROVEN]),
        ("newest", Fate("unread", "broken"), [K.BROKEN]),
        ("newest", Fate("whole", "broken"), [K.BROKEN]),
        ("newest", Fate("none", "broken"), [K.CHECKPOINT_WITHOUT_BITMAP]),
        ("newest", Fate("whole", "lost"), [K.BITMAP_WITHOUT_CHECKPOINT]),
        ("newest", Fate("none", "lost"), [K.POINT_WITHOUT_RECORD]),
        ("newest", Fate("unread", "lost"), [K.POINT_WITHOUT_RECORD]),
        ("newest", Fate("inconsistent", "lost"), [K.INCONSISTENT]),
        ("older", Fate("whole", "whole"), [K.SUPERSEDED]),
        ("older", Fate("none", "broken"), [K.SUPERSEDED]),
        ("failed", Fate("whole", "whole"), [K.FAILED_BACKUP]),
        ("scratch", Fate("off", "keeps none"), [K.SCRATCH_LEFT]),
        ("scratch of a point", Fate("off", "keeps none"), [K.SCRATCH_LEFT]),
        ("damaged", Fate("whole", "whole"), [K.POINT_DAMAGED]),
        ("pending", Fate("whole", "whole"), []),
        ("elsewhere", Fate("whole", "keeps none"), [K.OTHER_MACHINE]),
        ("another repository", Fate("whole", "whole"), [K.OTHER_REPOSITORY]),
        ("virtnbdbackup", Fate("whole", "whole"), [K.FOREIGN]),
        (
            "virtnbdbackup",
            Fate("inconsistent", "broken"),
            [K.FOREIGN, K.INCONSISTENT],
        ),
        (
            "virtnbdbackup",
            Fate("none", "broken"),
            [K.FOREIGN, K.CHECKPOINT_WITHOUT_BITMAP],
        ),
        ("by hand", Fate("off", "keeps none"), [K.FOREIGN]),
    ],
)
def test_each_drift_has_its_name(
    name: str, fate: Fate, wanted: list[DriftKind]
) -> None:
    assert kinds(name, fate) == wanted


def test_some_disks_only_is_told_and_left_to_the_next_backup() -> None:
    two = {"vda": Fate("whole", "whole"), "vdb": Fate("none", "broken")}
    vm = machine(NAMES["newest"], two)
    row = ledger_of(vm, kept("vda", "vdb")).rows[0]
    found = {drift.kind: drift for drift in row.drifts}
    assert set(found) == {K.CHECKPOINT_WITHOUT_BITMAP, K.PARTIAL}
    assert "only vdb becomes a full" in found[K.PARTIAL].remedy
    assert not row.mendable


def test_what_is_lost_on_some_disks_is_adopted_on_the_others() -> None:
    two = {"vda": Fate("whole", "lost"), "vdb": Fate("inconsistent", "lost")}
    vm = machine(NAMES["newest"], two)
    row = ledger_of(vm, kept("vda", "vdb")).rows[0]
    assert row.adopt == ("vda",)
    assert row.drop == ()


@pytest.mark.parametrize("bitmap", ["whole", "inconsistent", "off", "below"])
def test_a_stray_bitmap_of_no_use_is_removed(bitmap: str) -> None:
    """No backup drops it, as its hypervisor does not know it."""
    vm = machine(NAMES["failed"], {"vda": Fate(bitmap, "lost")})
    row = ledger_of(vm, kept("vda")).row(NAMES["failed"])
    assert row is not None
    assert (row.adopt, row.drop) == ((), (("node-vda", NAMES["failed"]),))
    assert "a repair removes it now" in row.drifts[0].remedy


def test_a_dead_bitmap_that_lost_its_checkpoint_is_removed() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("inconsistent", "lost")})
    row = ledger_of(vm, kept("vda")).rows[0]
    assert row.drop == (("node-vda", NAMES["newest"]),)


def test_a_bitmap_in_a_changed_chain_is_not_adopted() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("whole", "lost")})
    row = ledger_of(vm, kept("vda", source="another")).rows[0]
    assert row.cells[0].standing is Standing.UNPROVEN
    assert row.adopt == ()


def test_a_read_only_image_keeps_its_bitmap() -> None:
    vm = machine(NAMES["failed"], {"vda": Fate("below", "keeps none")})
    row = ledger_of(vm, kept("vda")).row(NAMES["failed"])
    assert row is not None and row.drop == ()
    assert row.cells[0].bitmaps == 1


def test_metadata_of_disks_that_are_gone_goes_by_any_disk() -> None:
    vm = machine(NAMES["older"], {"vda": Fate("none", "lost")})
    orphan = Checkpoint(NAMES["older"], "2026-11-19T01:00:00.000Z", ("vdx",))
    vm = replace(vm, checkpoints=(orphan,))
    row = ledger_of(vm, kept("vda")).row(NAMES["older"])
    assert row is not None
    assert row.drop == (("node-vda", NAMES["older"]),)
    assert "vdx" in row.drifts[0].reason


def test_without_a_repository_nothing_is_ours() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("whole", "whole")})
    ledger = ledger_of(vm, None)
    assert ledger.rows[0].owner is Owner.OTHER_REPOSITORY
    assert ledger.next[0].reason == "there is no repository yet"
    assert not ledger.mendable


def test_points_under_another_uuid_are_told_to_a_machine_that_has_none() -> None:
    vm, holdings = machine("x", {"vda": Fate("none", "lost")}), kept("vda")
    assert ledger_of(vm, holdings).drifts == ()
    empty = replace(holdings.shelf, newest={})
    (drift,) = ledger_of(vm, Kept(empty, holdings.points)).drifts
    assert (drift.kind, drift.severity) == (K.OTHER_IDENTITY, "warning")
    assert OTHER_KEY in drift.reason
    there = Kept(empty, holdings.points, machines=frozenset({OTHER_KEY}))
    assert ledger_of(vm, there).drifts == ()


def test_rows_are_newest_first_and_a_time_is_read_from_the_name() -> None:
    names = [NAMES["older"], NAMES["failed"], "cp1"]
    image = an_image("active", *(a_bitmap(name) for name in names))
    ledger = ledger_of(a_vm(a_disk(image)), kept("vda"))
    assert [row.name for row in ledger.rows] == [
        NAMES["failed"],
        NAMES["newest"],
        NAMES["older"],
        "cp1",
    ]
    assert ledger.rows[0].created_utc == "2026-11-20T02:00:00.000Z"
    assert ledger.rows[-1].created_utc == ""


def test_what_was_not_read_is_said() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("unread", "keeps none")})
    ledger = ledger_of(vm, kept("vda"))
    assert ledger.untold.endswith("cannot be read now")
    busy = replace(vm, jobs=(Job("j", "backup", JobStatus.RUNNING, 0, 1),))
    assert ledger_of(busy, kept("vda")).untold.endswith("while a job runs")
    assert ledger_of(vm, kept("vda"), "you may only look").untold == "you may only look"


def test_a_drive_without_a_medium_has_no_column() -> None:
    cd = replace(a_disk(target="cd0"), unfit="it is empty")
    ledger = ledger_of(a_vm(a_disk(an_image("active")), cd), kept("vda"))
    assert ledger.disks == ("vda",)
    assert [found.level for found in ledger.next] == ["full"]


def test_a_disk_that_is_in_use_has_no_next_backup_and_says_why() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("busy", "keeps none")})
    (found,) = next_backups(vm, kept("vda").shelf)
    assert (found.level, "in use" in found.reason) == ("", True)
    unfit = replace(vm.disks[0], unfit="a mirror holds it", unfit_for_now=True)
    (found,) = next_backups(replace(vm, disks=(unfit,)), kept("vda").shelf)
    assert (found.level, found.reason) == ("", "a mirror holds it")


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        (PREFIX + EARLIER, "vmsnap-tui"),
        ("virtnbdbackup.12", "virtnbdbackup"),
        ("qmpbackup-ide0-hd0-1a2b", "qmpbackup"),
        ("one-63-0", "OpenNebula, by its name"),
        ("0b8f5f0e-62a7-4a4e-9d5b-8a4d9c3f7a02", "oVirt, by its name"),
        ("cp1", ""),
        ("virtnbdbackup.x", ""),
    ],
)
def test_the_maker_is_told_as_far_as_the_name_tells(name: str, maker: str) -> None:
    assert maker_of(name) == maker


def test_ids_are_held_against_the_repository() -> None:
    wanted = {
        "damaged": (DAMAGED, Holding.DAMAGED),
        "pending": (PENDING, Holding.PENDING),
        "elsewhere": (ELSEWHERE, Holding.ELSEWHERE),
        "newest": (EARLIER, Holding.STORED),
        "by hand": ("", Holding.NONE),
    }
    for name, (point, holding) in wanted.items():
        vm = machine(NAMES[name], {"vda": Fate("whole", "whole")})
        row = ledger_of(vm, kept("vda")).row(NAMES[name])
        assert row is not None and (row.point, row.holding) == (point, holding)


_NAME = st.one_of(st.sampled_from(sorted(NAMES.values())), st.text(max_size=40))


@given(
    st.dictionaries(
        st.sampled_from(("vda", "vdb", "vdc")),
        st.tuples(_NAME, st.sampled_from(LIBVIRT)),
        min_size=1,
    ),
    st.sets(st.sampled_from(("vda", "vdb", "vdc"))),
)
def test_any_mixture_of_checkpoints_makes_a_ledger_that_keeps_the_laws(
    parts: dict[str, tuple[str, Fate]], stored_targets: set[str]
) -> None:
    """Several checkpoints, each on another disk, any of which the point holds."""
    vms = [machine(name, {target: fate}) for target, (name, fate) in parts.items()]
    checkpoints = {c.name: c for vm in vms for c in vm.checkpoints or ()}
    vm = replace(
        vms[0],
        disks=tuple(vm.disks[0] for vm in vms),
        checkpoints=tuple(checkpoints.values()),
    )
    holdings = kept(*sorted(stored_targets))
    ledger = ledger_of(vm, holdings)
    assert len({row.name for row in ledger.rows}) == len(ledger.rows)
    before = levels(vm, holdings)
    for row in ledger.rows:
        assert tuple(cell.target for cell in row.cells) == ledger.disks
        assert row.owner is Owner.OURS or not row.mendable
        after = levels(mended(vm, row), holdings)
        for target, level in before.items():
            assert after[target] in (level, DiskLevel.INCREMENTAL.value)

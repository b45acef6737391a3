"""How a run ended, told from its plan and its journal alone."""

from dataclasses import replace

import msgspec
import pytest

from tests.plan.material import (
    EARLIER,
    IDENTITY,
    POINT,
    a_bitmap,
    a_disk,
    a_point,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.engine.events import DiskResult, Outcome, RunResult
from vmsnap_tui.engine.freezing import FreezeReport
from vmsnap_tui.engine.machine import Direction, Finished, Mark, Record
from vmsnap_tui.engine.results import (
    OUTCOMES,
    expects_freeze,
    kept_bitmaps,
    manifest_step,
    result_of,
)
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RepairRequest, RestoreRequest
from vmsnap_tui.plan.restore import Ground, StoredPoint, plan_restore
from vmsnap_tui.plan.steps import (
    AwaitJobs,
    DropBitmaps,
    FreezeGuest,
    RestoreDisk,
    SealTarget,
    StartBackup,
    Step,
    WriteManifest,
)

F, B = Direction.FORWARD, Direction.BACK
SHA256 = "cd" * 32
NO_FREEZE = FreezeReport()


def a_backup(*, quiesce: bool = False, tracked: bool = True) -> Plan:
    vdb = an_image("data", a_bitmap()) if tracked else an_image("data")
    vm = a_vm(a_disk(an_image("base", a_bitmap())), a_disk(vdb, target="vdb"))
    shelf = a_shelf(stored(), stored("data", "vdb"))
    return plan_backup(vm, BackupRequest("web-01", quiesce=quiesce), shelf, IDENTITY)


BACKUP = a_backup()
RESTORE = plan_restore(
    StoredPoint(a_point(stored()), "/b", {"vda": 1}, {"vda": ("/b/f",)}),
    RestoreRequest(EARLIER, "/to"),
    Ground("/to", frozenset(), 100),
    "op",
)


def at(kind: type[Step], plan: Plan = BACKUP) -> int:
    return next(n for n, step in enumerate(plan.steps) if isinstance(step, kind))


def done(index: int, **output: object) -> Record:
    return Record(index, F, Mark.DONE, output=output or None)


def result(
    *records: Record, outcome: Outcome = Outcome.DONE, plan: Plan = BACKUP
) -> RunResult:
    return result_of(plan, records, outcome, elapsed_s=1.5, report=NO_FREEZE)


# What was made


def test_a_backup_that_is_done_tells_its_point_and_what_each_disk_took() -> None:
    seal = at(SealTarget)
    found = result(
        done(seal, bytes=7, sha256=SHA256), done(seal + 1, bytes=9, sha256="ef" * 32)
    )
    reason = f"every write since point {EARLIER} is recorded"
    assert found == RunResult(
        operation=IDENTITY.operation,
        outcome=Outcome.DONE,
        title="backup web-01",
        vm_name="web-01",
        point=POINT,
        level="incremental",
        disks=(
            DiskResult("vda", "incremental", reason, 7, "disk-vda.qcow2", SHA256),
            DiskResult("vdb", "incremental", reason, 9, "disk-vdb.qcow2", "ef" * 32),
        ),
        elapsed_s=1.5,
    )


def test_a_backup_of_two_levels_is_mixed() -> None:
    assert result(plan=a_backup(tracked=False)).level == "mixed"


def test_a_restore_tells_the_files_by_their_final_names() -> None:
    found = result(done(at(RestoreDisk, RESTORE), bytes=7), plan=RESTORE)
    (disk,) = found.disks
    assert (disk.file, disk.bytes) == ("/to/vda.qcow2", 7)
    assert found.point == EARLIER
    assert found.level == ""


def test_the_newest_answer_of_a_step_that_was_repeated_counts() -> None:
    seal = at(SealTarget)
    assert result(done(seal, bytes=1), done(seal, bytes=2)).disks[0].bytes == 2


def test_an_output_that_makes_no_sense_is_no_size() -> None:
    assert result(done(at(SealTarget), bytes="many")).disks[0].bytes == 0


def test_the_freeze_window_is_what_the_guard_measured() -> None:
    report = FreezeReport(2, 10.0, 10.1, 10.2, 10.25)
    found = result_of(BACKUP, (), Outcome.DONE, elapsed_s=1, report=report)
    assert found.freeze_window_s == pytest.approx(0.25)


# What was not


@pytest.mark.parametrize("outcome", [Outcome.UNDONE, Outcome.UNKNOWN, Outcome.STUCK])
def test_a_backup_that_is_not_done_names_no_point(outcome: Outcome) -> None:
    """It is not there, or nobody knows: a script must not take it for one."""
    assert result(outcome=outcome).point == ""


def test_the_first_failure_is_the_one_that_is_told() -> None:
    start = at(StartBackup)
    found = result(
        Record(start, F, Mark.FAILED, error="disk full"),
        Record(start, B, Mark.DONE),
        outcome=Outcome.UNDONE,
    )
    assert found.error == f"{BACKUP.steps[start].describe()}: disk full"
    assert found.remedy == ""


def test_an_undo_that_failed_is_told_beside_what_began_it() -> None:
    """What is left behind is what the operator has to know now."""
    start, wait = at(StartBackup), at(AwaitJobs)
    undo = BACKUP.steps[start].undo
    assert undo is not None
    found = result(
        Record(wait, F, Mark.FAILED, error="cancelled"),
        Record(start, B, Mark.FAILED, error="a job does not end"),
        outcome=Outcome.STUCK,
    )
    assert found.error == (
        f"{BACKUP.steps[wait].describe()}: cancelled; and this could not be taken"
        f" back: {undo.describe()}: a job does not end"
    )


def test_a_step_that_was_broken_off_is_told_as_such() -> None:
    start = at(StartBackup)
    found = result(
        Record(start, F, Mark.INTENT),
        Record(start, F, Mark.ABSENT),
        outcome=Outcome.UNDONE,
    )
    assert found.error.endswith(": it was broken off before it took effect")


def test_a_step_that_was_done_again_was_no_failure() -> None:
    wait = at(AwaitJobs)
    records = (Record(wait, F, Mark.ABSENT), done(wait))
    assert result(*records).error == ""
    undone = result(
        *records, Record(wait + 1, F, Mark.FAILED, error="e"), outcome=Outcome.UNDONE
    )
    assert undone.error == f"{BACKUP.steps[wait + 1].describe()}: e"


def test_what_ended_the_walk_from_outside_comes_first() -> None:
    found = result_of(
        BACKUP,
        [Record(0, F, Mark.FAILED, error="inner")],
        Outcome.UNKNOWN,
        elapsed_s=0,
        report=NO_FREEZE,
        error="the machine cannot be reached",
    )
    assert found.error == "the machine cannot be reached"


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.STUCK])
def test_what_is_left_open_names_its_recovery(outcome: Outcome) -> None:
    remedy = result(outcome=outcome).remedy
    assert remedy == f"run `vmsnap-tui recover {IDENTITY.operation}`"


def test_what_is_left_untidy_is_a_warning_and_no_failure() -> None:
    drop = at(DropBitmaps)
    found = result(Record(drop, F, Mark.FAILED, error="no answer"))
    assert found.outcome is Outcome.DONE
    assert found.error == ""
    assert found.warnings == (f"{BACKUP.steps[drop].describe()}: no answer",)


def test_warnings_of_the_run_come_before_those_of_its_steps() -> None:
    records = [Record(at(DropBitmaps), F, Mark.FAILED, error="e")]
    found = result_of(
        BACKUP,
        records,
        Outcome.DONE,
        elapsed_s=0,
        report=NO_FREEZE,
        warnings=("first",),
        interrupted=True,
        journal="/state/j",
    )
    assert found.warnings[0] == "first"
    assert len(found.warnings) == 2
    assert (found.interrupted, found.journal) == (True, "/state/j")


# What others ask of a plan


def test_every_end_of_a_walk_is_an_outcome() -> None:
    assert set(OUTCOMES) == set(Finished)


def test_a_freeze_is_expected_where_it_was_asked_for() -> None:
    assert expects_freeze(a_backup(quiesce=True))
    assert at(FreezeGuest, a_backup(quiesce=True))
    assert not expects_freeze(BACKUP)
    assert not expects_freeze(RESTORE)


def test_a_backup_has_a_manifest_and_a_restore_has_none() -> None:
    assert isinstance(manifest_step(BACKUP), WriteManifest)
    assert manifest_step(RESTORE) is None


def test_bitmaps_that_stayed_are_told() -> None:
    drop = at(DropBitmaps)
    records = (done(0, kept=["not this"]), done(drop, kept=["b stays in node-base"]))
    assert kept_bitmaps(BACKUP, records) == ("b stays in node-base",)
    assert kept_bitmaps(BACKUP, (done(drop),)) == ()


def test_what_a_repair_was_to_remove_and_did_not_is_a_warning() -> None:
    """After a backup it is not: there it only tidied up."""
    repair = msgspec.structs.replace(
        BACKUP,
        request=RepairRequest("web-01"),
        steps=(DropBitmaps("vm", (("node", "b"),)),),
        point="",
    )
    found = result(done(0, kept=["b stays in node"]), plan=repair)
    assert found.warnings == ("b stays in node",)
    assert (found.point, found.level) == ("", "")
    assert [(d.target, d.file) for d in found.disks] == [
        (d.target, "") for d in BACKUP.disks
    ]


def test_a_result_is_a_value() -> None:
    assert result() == replace(result(), elapsed_s=1.5)

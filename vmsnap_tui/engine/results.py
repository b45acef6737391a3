"""How a run ended, read from its plan and its journal. Pure."""

from collections.abc import Sequence

from vmsnap_tui.engine.events import DiskResult, Outcome, RunResult
from vmsnap_tui.engine.freezing import FreezeReport
from vmsnap_tui.engine.machine import Direction, Finished, Mark, Record
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RepairRequest, RestoreRequest
from vmsnap_tui.plan.steps import (
    DropBitmaps,
    PublishFiles,
    RestoreDisk,
    SealTarget,
    Step,
    WriteManifest,
)

OUTCOMES = {
    Finished.COMPLETED: Outcome.DONE,
    Finished.UNDONE: Outcome.UNDONE,
    Finished.STUCK: Outcome.STUCK,
}


def result_of(
    plan: Plan,
    records: Sequence[Record],
    outcome: Outcome,
    *,
    elapsed_s: float,
    report: FreezeReport,
    warnings: tuple[str, ...] = (),
    error: str = "",
    interrupted: bool = False,
    journal: str = "",
) -> RunResult:
    """`error` is what ended the walk from outside; else the first failure's text."""
    return RunResult(
        operation=plan.operation,
        outcome=outcome,
        title=plan.title,
        vm_name=plan.vm_name,
        point=_point(plan, outcome),
        level=_level(plan),
        disks=_disks(plan, records),
        freeze_window_s=report.window_s,
        elapsed_s=elapsed_s,
        warnings=warnings + _tidy_warnings(plan, records),
        error=error or _error(plan, records, outcome) + _stuck(plan, records),
        remedy=_remedy(plan, outcome),
        interrupted=interrupted,
        journal=journal,
    )


def _point(plan: Plan, outcome: Outcome) -> str:
    if isinstance(plan.request, RestoreRequest) or outcome is Outcome.DONE:
        return plan.point
    return ""


def _level(plan: Plan) -> str:
    if not isinstance(plan.request, BackupRequest):
        return ""
    levels = {disk.level for disk in plan.disks}
    return levels.pop() if len(levels) == 1 else "mixed"


def _disks(plan: Plan, records: Sequence[Record]) -> tuple[DiskResult, ...]:
    if isinstance(plan.request, RepairRequest):
        return tuple(DiskResult(d.target, d.level, d.reason) for d in plan.disks)
    outputs = {
        record.index: record.output
        for record in records
        if record.mark is Mark.DONE and record.direction is Direction.FORWARD
    }
    by_target: dict[str, tuple[Step, dict[str, object]]] = {}
    for index, step in enumerate(plan.steps):
        if isinstance(step, SealTarget | RestoreDisk):
            by_target[step.target] = (step, outputs.get(index) or {})
    return tuple(
        _disk(plan, disk.target, disk.level, disk.reason, *by_target[disk.target])
        for disk in plan.disks
    )


def _disk(
    plan: Plan,
    target: str,
    level: str,
    reason: str,
    step: Step,
    output: dict[str, object],
) -> DiskResult:
    size = output.get("bytes", 0)
    return DiskResult(
        target=target,
        level=level,
        reason=reason,
        bytes=size if isinstance(size, int) else 0,
        file=_file(plan, step),
        sha256=str(output.get("sha256", "")),
    )


def _file(plan: Plan, step: Step) -> str:
    """The restored file under its final name, or the stored file's."""
    if isinstance(step, SealTarget):
        return step.file
    published = next(s for s in plan.steps if isinstance(s, PublishFiles))
    assert isinstance(step, RestoreDisk)
    return dict(published.files)[step.partial]


def _error(plan: Plan, records: Sequence[Record], outcome: Outcome) -> str:
    if outcome is Outcome.DONE:
        return ""
    for record in records:
        step = plan.steps[record.index]
        if record.mark is Mark.FAILED and not step.tidy:
            return f"{step.describe()}: {record.error}"
        if record.mark is Mark.ABSENT and not step.repeatable:
            return f"{step.describe()}: it was broken off before it took effect"
    return ""


def _stuck(plan: Plan, records: Sequence[Record]) -> str:
    """What could not be taken back, where the walk ends at that."""
    last = records[-1] if records else None
    if last is None or (last.direction, last.mark) != (Direction.BACK, Mark.FAILED):
        return ""
    undo = plan.steps[last.index].undo
    what = undo.describe() if undo else "it"
    return f"; and this could not be taken back: {what}: {last.error}"


def _tidy_warnings(plan: Plan, records: Sequence[Record]) -> tuple[str, ...]:
    """After a backup a bitmap that stays is harmless; a repair was asked to drop it."""
    failed = tuple(
        f"{plan.steps[record.index].describe()}: {record.error}"
        for record in records
        if record.mark is Mark.FAILED and plan.steps[record.index].tidy
    )
    if isinstance(plan.request, RepairRequest):
        return failed + kept_bitmaps(plan, records)
    return failed


def _remedy(plan: Plan, outcome: Outcome) -> str:
    match outcome:
        case Outcome.DONE | Outcome.UNDONE:
            return ""
        case Outcome.UNKNOWN | Outcome.STUCK:
            return f"run `vmsnap-tui recover {plan.operation}`"


def expects_freeze(plan: Plan) -> bool:
    return isinstance(plan.request, BackupRequest) and plan.request.quiesce


def manifest_step(plan: Plan) -> WriteManifest | None:
    return next((s for s in plan.steps if isinstance(s, WriteManifest)), None)


def kept_bitmaps(plan: Plan, records: Sequence[Record]) -> tuple[str, ...]:
    """Sentences for bitmaps that stayed, as their image is read-only in this run."""
    return tuple(
        str(sentence)
        for record in records
        if isinstance(plan.steps[record.index], DropBitmaps) and record.output
        for sentence in record.output.get("kept", ())
    )

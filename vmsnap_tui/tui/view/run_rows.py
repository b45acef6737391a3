"""A run as the operator watches it: folded from its events, one row a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from vmsnap_tui.engine.events import (
    DiskResult,
    JobView,
    Outcome,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.errors import ExitCode, VmsnapError
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import AwaitJobs
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.view.jobs import bar_spans, eta, guest_writes, phase
from vmsnap_tui.tui.view.paragraphs import (
    BLANK,
    Paragraph,
    clipped_to,
    joined,
    labelled,
    lay_out,
    said,
    spread,
    warning,
)
from vmsnap_tui.tui.view.spans import Line, Tone, plain
from vmsnap_tui.tui.view.verdict import error_rows
from vmsnap_tui.units import format_bytes, format_duration, format_rate


class Mark(StrEnum):
    """How a step stands; the sign is readable without colour."""

    TO_COME = "·"
    RUNNING = "▸"
    DONE = "✓"
    FAILED = "✗"
    UNDOING = "◂"
    UNDONE = "↶"


_TONES = {
    Mark.TO_COME: Tone.MUTED,
    Mark.RUNNING: Tone.CAUTION,
    Mark.DONE: Tone.GOOD,
    Mark.FAILED: Tone.ALARM,
    Mark.UNDOING: Tone.CAUTION,
    Mark.UNDONE: Tone.CAUTION,
}


@dataclass(frozen=True, slots=True)
class StepRow:
    """`undo` is what takes it back, once that has begun."""

    mark: Mark = Mark.TO_COME
    error: str = ""
    undo: str = ""
    since_s: float | None = None
    elapsed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    index: int
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class RunView:
    """What has been heard of a run so far."""

    plan: Plan
    rows: tuple[StepRow, ...]
    progress: Mapping[str, Progress] = field(default_factory=dict)
    undoing: bool = False
    resumed: bool = False
    earlier: tuple[str, ...] = ()
    """Interrupted operations that were settled before this one began."""
    result: RunResult | None = None

    @classmethod
    def of(cls, plan: Plan) -> "RunView":
        return cls(plan, tuple(StepRow() for _ in plan.steps))

    @property
    def current(self) -> int | None:
        """The step that runs or is being undone."""
        busy = (Mark.RUNNING, Mark.UNDOING)
        return next((n for n, r in enumerate(self.rows) if r.mark in busy), None)

    @property
    def past_return(self) -> bool:
        """Whether the run can no longer be undone, only finished."""
        committed = self.rows[self.plan.commit_index :]
        return not self.undoing and any(r.mark is Mark.DONE for r in committed[:1])


def heard(view: RunView, event: RunEvent, now_s: float | None) -> RunView:
    """The view after one more event; `now_s` is when it was heard, None for what
    happened before anybody listened."""
    if event.operation != view.plan.operation:
        return _earlier(view, event)
    match event:
        case RunStarted(plan=plan, resumed=resumed):
            return replace(RunView.of(plan), resumed=resumed, earlier=view.earlier)
        case StepStarted():
            return _step_started(view, event, now_s)
        case StepEnded():
            return _step_ended(view, event)
        case RunProgressed(index=index, target=target):
            moved = Progress(index, event.done_bytes, event.total_bytes)
            return replace(view, progress={**view.progress, target: moved})
        case RunEnded(result=result):
            return replace(view, result=result, rows=_closed(view.rows, result))
        case _:
            assert_never(event)


def _earlier(view: RunView, event: RunEvent) -> RunView:
    """An interrupted operation of the same machine is settled first."""
    if not isinstance(event, RunEnded):
        return view
    outcome = event.result.outcome.value
    told = f"first settled: {event.result.title}, which was interrupted: {outcome}"
    return replace(view, earlier=(*view.earlier, told))


def run_lines(
    view: RunView, jobs: Sequence[JobView], now_s: float, width: int
) -> tuple[Line, ...]:
    """The result, once there is one, then a line a step with its progress under it."""
    lines = list(_head_lines(view, width))
    for index, row in enumerate(view.rows):
        lines.append(_step_line(view, index, now_s, width))
        lines += lay_out((Paragraph(_INDENT, n) for n in _notes(row)), width)
        if row.mark is Mark.RUNNING:
            lines += [clipped_to(line, width) for line in _moving(view, index, jobs)]
    return tuple(lines)


def _head_lines(view: RunView, width: int) -> tuple[Line, ...]:
    rows = [Paragraph(said("   "), said(t, Tone.MUTED)) for t in view.earlier]
    if view.result:
        rows += result_rows(view.result)
    return lay_out(rows, width)


def line_of_step(view: RunView, width: int) -> int:
    """Where the step that runs stands among `run_lines`."""
    head = len(_head_lines(view, width))
    current = view.current or 0
    notes = [n for row in view.rows[:current] for n in _notes(row)]
    return head + current + len(notes)


def _step_line(view: RunView, index: int, now_s: float, width: int) -> Line:
    row = view.rows[index]
    quiet = row.mark in (Mark.TO_COME, Mark.UNDONE)
    text = view.plan.steps[index].describe()
    lead = said(f" {row.mark.value} ", _TONES[row.mark])
    number = said(f"{index + 1:>2}  ", Tone.MUTED)
    body = said(text, Tone.MUTED if quiet else Tone.PLAIN)
    return spread(lead + number + body, _elapsed(row, now_s), width)


def _notes(row: StepRow) -> list[Line]:
    undone = "undone" if row.mark is Mark.UNDONE else "undoing"
    notes = [said(row.error, Tone.ALARM)]
    if row.undo:
        notes.append(said(f"{undone}: {row.undo}", _TONES[row.mark]))
    return [note for note in notes if note]


def _moving(view: RunView, index: int, jobs: Sequence[JobView]) -> list[Line]:
    """Jobs while the guest's disks are copied, else what the step itself counts."""
    if isinstance(view.plan.steps[index], AwaitJobs):
        return [_INDENT + _job(job) for job in jobs]
    return [
        _INDENT + _bar(target, moved.done_bytes, moved.total_bytes)
        for target, moved in view.progress.items()
        if moved.index == index
    ]


def _job(view: JobView) -> Line:
    job = view.job
    tone = Tone.CAUTION if job.status is JobStatus.PAUSED else Tone.MUTED
    parts = [
        _bar(job.target or job.id, job.done_bytes, job.total_bytes),
        said(format_rate(view.rate_bytes_per_s).rjust(10)),
        said(eta(view), Tone.MUTED),
        said(phase(view), tone) if job.status is not JobStatus.RUNNING else (),
        said(f"guest {guest_writes(view)}", Tone.MUTED),
        said(job.error, Tone.ALARM),
    ]
    return joined(parts)


def undo_list(view: RunView) -> tuple[str, ...]:
    """What a cancel takes back, in the order in which it will."""
    touched = (Mark.DONE, Mark.RUNNING)
    undos = [
        step.undo
        for step, row in zip(view.plan.steps, view.rows, strict=True)
        if row.mark in touched
    ]
    return tuple(undo.describe() for undo in reversed(undos) if undo is not None)


_INDENT = said(" " * 7)
_BAR_CELLS = 12

_OUTCOMES = {
    Outcome.DONE: ("✓ done", Tone.GOOD),
    Outcome.UNDONE: ("✗ failed, and undone", Tone.ALARM),
    Outcome.UNKNOWN: ("? outcome unknown", Tone.ALARM),
    Outcome.STUCK: ("✗ stuck: it can go neither forward nor back alone", Tone.ALARM),
}


def result_rows(result: RunResult) -> list[Paragraph]:
    """The end of a run: outcome, what broke it, what it made, disk by disk."""
    rows = [Paragraph(said(" "), _headline(result))]
    rows += _trouble(result.error, result.remedy)
    if result.point:
        rows.append(labelled("point", joined([said(result.point), _kind(result)])))
    rows += [_disk_row(disk) for disk in result.disks]
    rows += [warning(text) for text in result.warnings]
    if result.journal and result.outcome is not Outcome.DONE:
        rows.append(labelled("journal", said(result.journal, Tone.MUTED)))
    return [*rows, BLANK]


def refusal_lines(error: VmsnapError, width: int) -> tuple[Line, ...]:
    """Why a run did not begin: nothing was changed."""
    unchanged = error.exit_code in (ExitCode.REFUSED, ExitCode.LOCKED)
    text = "refused: nothing was changed" if unchanged else "it did not go on"
    rows = [Paragraph(said(" ✗ ", Tone.ALARM), said(text, Tone.ALARM))]
    rows += error_rows(error)
    return lay_out(rows, width)


def outcome_sentence(result: RunResult) -> str:
    """How a run ended, in one sentence for those who do not watch it."""
    words = f"{result.title}: {plain(_headline(result))}"
    return f"{words}; {result.error}" if result.error else words


def _headline(result: RunResult) -> Line:
    text, style = _OUTCOMES[result.outcome]
    if result.outcome is Outcome.DONE and result.warnings:
        text = "✓ done, with warnings"
    if result.interrupted and result.outcome is Outcome.UNDONE:
        text, style = "↶ cancelled, and undone", Tone.CAUTION
    parts = [said(text, style)]
    parts.append(said(f"in {format_duration(result.elapsed_s)}", Tone.MUTED))
    if result.freeze_window_s is not None:
        window = format_duration(result.freeze_window_s)
        parts.append(said(f"guest frozen for {window}"))
    return joined(parts, " · ")


def _trouble(error: str, remedy: str) -> list[Paragraph]:
    rows = [labelled("because", said(error, Tone.ALARM))] if error else []
    return [*rows, labelled("what to do", said(remedy))] if remedy else rows


def _kind(result: RunResult) -> Line:
    words = [word for word in (result.level, result.consistency) if word]
    return said(" · ".join(words), Tone.MUTED)


def _disk_row(disk: DiskResult) -> Paragraph:
    size = said(format_bytes(disk.bytes)) if disk.bytes else ()
    parts = [said(disk.level), size, said(disk.file), said(disk.reason, Tone.MUTED)]
    return labelled(disk.target, joined(parts))


def _elapsed(row: StepRow, now_s: float) -> Line:
    if row.elapsed_s is not None:
        return said(format_duration(row.elapsed_s), Tone.MUTED)
    if row.since_s is None or row.mark not in (Mark.RUNNING, Mark.UNDOING):
        return ()
    return said(_so_far(now_s - row.since_s), Tone.STRONG)


def _so_far(seconds: float) -> str:
    """Whole seconds: what moves on screen moves once a second."""
    whole = int(max(seconds, 0))
    return format_duration(whole) if whole >= 60 else f"{whole} s"


def progress_line(what: str, done_bytes: int, total_bytes: int) -> Line:
    """Something that is read, in one line."""
    return said(" ") + _bar(what, done_bytes, total_bytes)


def _bar(target: str, done_bytes: int, total_bytes: int) -> Line:
    ratio = min(done_bytes / total_bytes, 1) if total_bytes else 0.0
    return (
        *said(target.ljust(4) + " "),
        *bar_spans(ratio, _BAR_CELLS, UNICODE, Tone.JOB),
        *said(f" {int(ratio * 100):3d} %"),
        *said(f" of {format_bytes(total_bytes):>8}", Tone.MUTED),
    )


def _step_started(view: RunView, event: StepStarted, now_s: float | None) -> RunView:
    if event.undoing:
        before = view.rows[event.index]
        row = StepRow(Mark.UNDOING, before.error, event.text, since_s=now_s)
    else:
        row = StepRow(Mark.RUNNING, since_s=now_s)
    rows = _assumed_done(view.rows, event.index)
    undoing = view.undoing or event.undoing
    return replace(view, rows=_put(rows, event.index, row), undoing=undoing)


def _step_ended(view: RunView, event: StepEnded) -> RunView:
    before = view.rows[event.index]
    if event.error:
        mark, error = Mark.FAILED, event.error
    else:
        mark, error = Mark.UNDONE if event.undoing else Mark.DONE, before.error
    undo = event.text if event.undoing else ""
    row = StepRow(mark, error, undo, elapsed_s=event.elapsed_s)
    undoing = view.undoing or event.undoing
    return replace(view, rows=_put(view.rows, event.index, row), undoing=undoing)


def _assumed_done(rows: tuple[StepRow, ...], index: int) -> tuple[StepRow, ...]:
    """A resumed run starts in the middle: what stands before it was done earlier."""
    return tuple(
        replace(row, mark=Mark.DONE) if n < index and row.mark is Mark.TO_COME else row
        for n, row in enumerate(rows)
    )


def _put(rows: tuple[StepRow, ...], index: int, row: StepRow) -> tuple[StepRow, ...]:
    return tuple(row if n == index else old for n, old in enumerate(rows))


def _closed(rows: tuple[StepRow, ...], result: RunResult) -> tuple[StepRow, ...]:
    """No step runs after the end, whatever event was missed."""
    if result.outcome is Outcome.DONE:
        return _assumed_done(rows, len(rows))
    still = (Mark.RUNNING, Mark.UNDOING)
    return tuple(replace(r, mark=Mark.FAILED) if r.mark in still else r for r in rows)

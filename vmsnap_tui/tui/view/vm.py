"""Everything about one machine beside its chains: points, jobs, checkpoints, limits."""

from datetime import datetime

from vmsnap_tui.engine.events import ConnectionView, JobView
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.checkpoint_rows import checkpoint_lines
from vmsnap_tui.tui.view.detail import (
    agent_span,
    alarm_lines,
    head_line,
    points_line,
    stale_lines,
    wrapped,
)
from vmsnap_tui.tui.view.jobs import phase
from vmsnap_tui.tui.view.snapshot_rows import snapshot_lines
from vmsnap_tui.tui.view.spans import BLANK, Line, Tone, line, plain, span
from vmsnap_tui.tui.view.timeline import is_full, verified_span
from vmsnap_tui.units import format_bytes, format_duration

_NEWEST_POINTS = 8


def top_lines(
    vm: Vm, connection: ConnectionView, observed: Observed, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """The machine in one line, or two where it is long; then what is wrong with it."""
    head = head_line(vm, glyphs, stale=connection.stale)
    facts = (
        agent_span(vm),
        span(
            f"  ·  {vm.capabilities.label}" if vm.capabilities.label else "", Tone.MUTED
        ),
    )
    one = (*head, span("  ·  ", Tone.MUTED), *facts)
    heads = (one,) if len(plain(one)) <= width else (head, facts)
    wrong = (
        *stale_lines(connection, width),
        *alarm_lines(observed.alarms(vm.key), glyphs, width),
    )
    return (*heads, *wrong, BLANK)


def side_lines(
    vm: Vm, observed: Observed, now: datetime, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """Points, jobs, agent and identity, in this order."""
    points = observed.records.points.get(vm.key, ())
    return (
        *_point_lines(vm, points, now, glyphs, width),
        BLANK,
        *_job_lines(observed.jobs.get(vm.key, ())),
        BLANK,
        *_fact_lines(vm, width),
    )


def below_lines(vm: Vm, now: datetime, glyphs: Glyphs, width: int) -> tuple[Line, ...]:
    """Snapshots and checkpoints, where the hypervisor keeps them."""
    parts = (
        snapshot_lines(vm, now, glyphs, width),
        checkpoint_lines(vm, now, glyphs, width),
    )
    return tuple(each for part in parts if part for each in (*part, BLANK))


def _point_lines(
    vm: Vm,
    points: tuple[StoredPoint, ...],
    now: datetime,
    glyphs: Glyphs,
    width: int,
) -> tuple[Line, ...]:
    title = line(span("Points", Tone.STRONG), span(f"  {len(points)}", Tone.MUTED))
    lines = [title, points_line(vm, points, glyphs, width)]
    for stored in reversed(points[-_NEWEST_POINTS:]):
        lines.append(_point_line(stored, now, glyphs))
    if points:
        lines.append(line(verified_span(points[-1], now)))
    return tuple(lines)


def _point_line(stored: StoredPoint, now: datetime, glyphs: Glyphs) -> Line:
    full = is_full(stored)
    sign = glyphs.full_point if full else glyphs.increment_point
    point = stored.point
    return line(
        span(f"{sign} ", Tone.ACCENT),
        span(f"{age(point.created_utc, now):>6}  "),
        span(f"{'full' if full else 'incremental':<12}", Tone.MUTED),
        span(f"{format_bytes(point.stored_bytes):>9}"),
        span(f"  {glyphs.frozen} {format_duration(point.freeze_window_s)}", Tone.FROZEN)
        if point.freeze_window_s is not None
        else span(""),
    )


def _job_lines(jobs: tuple[JobView, ...]) -> tuple[Line, ...]:
    title = line(span("Jobs", Tone.STRONG))
    if not jobs:
        return (title, line(span("none", Tone.MUTED)))
    return (
        title,
        *(
            line(
                span(f"{view.job.kind} {view.job.target}  "),
                span(f"{int(view.job.done_ratio * 100)} %  ", Tone.JOB),
                span(phase(view), Tone.MUTED),
            )
            for view in jobs
        ),
    )


def _fact_lines(vm: Vm, width: int) -> tuple[Line, ...]:
    agent = vm.agent.address if vm.agent else "none"
    if agent.startswith("libvirt:"):
        agent = "reached through libvirt"
    facts = (
        ("connection", vm.connection),
        ("uuid", vm.uuid or "none"),
        ("QEMU says", vm.status),
        ("agent", agent),
    )
    lines = [line(span("Machine", Tone.STRONG))]
    for name, value in facts:
        for number, part in enumerate(wrapped(value, width - 12)):
            label = name if number == 0 else ""
            lines.append(line(span(f"{label:<12}", Tone.MUTED), part))
    return tuple(lines)

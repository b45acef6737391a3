"""A job in one line, or in two: how far, how fast, how long, what the guest feels."""

from vmsnap_tui.engine.events import JobView
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.spans import Line, Span, Tone, span
from vmsnap_tui.units import format_bytes, format_duration, format_rate

_WIDE = 100
_STILL_S = 5.0
"""A job that has not moved for so long says so instead of an ETA."""

_TONES = {
    JobStatus.RUNNING: Tone.JOB,
    JobStatus.PAUSED: Tone.CAUTION,
    JobStatus.READY: Tone.WAITING,
    JobStatus.STANDBY: Tone.CAUTION,
    JobStatus.WAITING: Tone.WAITING,
    JobStatus.PENDING: Tone.WAITING,
    JobStatus.ABORTING: Tone.ALARM,
}


def job_line(view: JobView, glyphs: Glyphs, width: int) -> Line:
    """What matters about one job in one line of `width` cells."""
    wide = width >= _WIDE
    tail = [
        span(f"{format_rate(view.rate_bytes_per_s):>11}"),
        span(f"{eta(view):>12}", Tone.MUTED),
        span(f"  {phase(view):<8}", job_tone(view)),
    ]
    if wide:
        tail.append(span(f"{amount(view.job.done_bytes, view.job.total_bytes):>21}"))
        tail.append(span(f"  guest {guest_writes(view):>7} ", Tone.MUTED))
        tail.append(span(sparkline(view.latencies, 6, glyphs), Tone.CAUTION))
    return _with_bar(view, glyphs, width, 20 if wide else 18, tail)


def job_lines(view: JobView, glyphs: Glyphs, width: int) -> tuple[Line, Line]:
    """All that is known of one job, in two lines."""
    tail = [
        span(f"{format_rate(view.rate_bytes_per_s):>11} "),
        span(sparkline(view.rates, 8, glyphs), Tone.JOB),
        span(f"{eta(view):>12}", Tone.MUTED),
    ]
    first = _with_bar(view, glyphs, width, 22, tail)
    limit = view.job.speed_bytes_per_s
    guest = "guest writes" if width >= _WIDE else "guest"
    second = (
        span("  "),
        span(f"{phase(view):<10}", job_tone(view)),
        span(f"{amount(view.job.done_bytes, view.job.total_bytes):<22}"),
        span(f"{guest} {guest_writes(view):>7} ", Tone.MUTED),
        span(sparkline(view.latencies, 8, glyphs), Tone.CAUTION),
        span(f"  limit {format_rate(limit)}" if limit else "  no limit", Tone.MUTED),
        span(f"  {view.job.error}" if view.job.error else "", Tone.ALARM),
    )
    return first, second


def _with_bar(
    view: JobView, glyphs: Glyphs, width: int, head_cells: int, tail: list[Span]
) -> Line:
    """Head, a bar in the room that is left, percent, tail."""
    head = _head(view, head_cells)
    used = sum(len(part.text) for part in (*head, *tail))
    bar_cells = max(width - used - 6, 4)
    bar = bar_spans(view.job.done_ratio, bar_cells, glyphs, job_tone(view))
    percent = span(f" {int(view.job.done_ratio * 100):3d} %", Tone.STRONG)
    return (*head, *bar, percent, *tail)


def bar_spans(ratio: float, cells: int, glyphs: Glyphs, tone: Tone) -> Line:
    """A bar of whole cells; it is full only when the ratio is."""
    done = cells if ratio >= 1 else min(int(ratio * cells), cells - 1)
    return (
        Span(glyphs.bar_done * done, tone),
        Span(glyphs.bar_rest * (cells - done), Tone.REST),
    )


def sparkline(values: tuple[float, ...], cells: int, glyphs: Glyphs) -> str:
    """The last values against the largest of them, right-aligned."""
    shown = values[-cells:]
    top = max(shown, default=0.0)
    levels = len(glyphs.sparks) - 1
    signs = [
        glyphs.sparks[min(round(value / top * levels), levels) if top > 0 else 0]
        for value in shown
    ]
    return "".join(signs).rjust(cells)


def amount(done_bytes: int, total_bytes: int) -> str:
    """`25.3 of 40.8 GiB`: one unit where both have the same."""
    done, total = format_bytes(done_bytes), format_bytes(total_bytes)
    number, _, unit = done.partition(" ")
    return f"{number if total.endswith(unit) else done} of {total}"


def phase(view: JobView) -> str:
    """QEMU's own word, or what is wrong with it."""
    job = view.job
    if job.error:
        return "failed"
    return job.status.value if job.io_status == "ok" else job.io_status


def eta(view: JobView) -> str:
    """`ETA 2:43`, or for how long it has not moved."""
    if view.job.status in (JobStatus.PENDING, JobStatus.CONCLUDED):
        return ""
    if view.idle_s >= _STILL_S:
        return f"still {format_duration(int(view.idle_s))}"
    if view.eta_s is None:
        return ""
    minutes, seconds = divmod(round(view.eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    hour_text = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"ETA {hour_text}:{seconds:02d}"


def guest_writes(view: JobView) -> str:
    """The guest's mean write time on that disk, as it is now."""
    if view.write_latency_s is None:
        return "idle"
    return f"{view.write_latency_s * 1000:.1f} ms"


def job_tone(view: JobView) -> Tone:
    """The colour of the job's phase; the word stands beside it."""
    if view.job.error or view.job.io_status != "ok":
        return Tone.ALARM
    return _TONES.get(view.job.status, Tone.MUTED)


def _head(view: JobView, cells: int) -> Line:
    target = view.job.target or view.job.kind
    room = max(cells - len(target) - 2, 4)
    title = f"{view.job.kind} {view.vm_name}"
    return (
        span(title[:room].ljust(room) + " ", Tone.STRONG),
        span(target + " "),
    )

"""One job in one line: how far, how fast, how long, and what the guest feels."""

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
    """Everything about one job in one line of at most `width` cells."""
    wide = width >= _WIDE
    head = _head(view, 24 if wide else 18)
    tail = _wide_tail(view, glyphs) if wide else _narrow_tail(view)
    used = sum(len(part.text) for part in (*head, *tail))
    bar_cells = max(width - used - 7, 4)
    bar = bar_spans(view.job.done_ratio, bar_cells, glyphs, _tone(view))
    percent = span(f" {int(view.job.done_ratio * 100):3d} % ", Tone.STRONG)
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


def phase(view: JobView) -> str:
    """QEMU's own word, or what it stands still for."""
    job = view.job
    if job.error:
        return "failed"
    if job.io_status != "ok":
        return f"{job.status.value}: {job.io_status}"
    return job.status.value


def eta(view: JobView) -> str:
    if view.job.status in (JobStatus.PENDING, JobStatus.CONCLUDED):
        return ""
    if view.idle_s >= _STILL_S:
        return f"still {format_duration(view.idle_s)}"
    return "" if view.eta_s is None else f"ETA {format_duration(view.eta_s)}"


def guest_writes(view: JobView) -> str:
    """The guest's mean write time on that disk, as it is now."""
    if view.write_latency_s is None:
        return "idle"
    return f"{view.write_latency_s * 1000:.1f} ms"


def _tone(view: JobView) -> Tone:
    if view.job.error or view.job.io_status != "ok":
        return Tone.ALARM
    return _TONES.get(view.job.status, Tone.MUTED)


def _head(view: JobView, cells: int) -> Line:
    target = view.job.target or view.job.kind
    room = max(cells - len(target) - 2, 4)
    title = f"{view.job.kind} {view.vm_name}"
    return (
        span(title[:room].ljust(room) + " ", Tone.STRONG),
        span(target + " ", Tone.PLAIN),
    )


def _narrow_tail(view: JobView) -> Line:
    return (
        span(format_rate(view.rate_bytes_per_s).rjust(10)),
        span(eta(view).rjust(13), Tone.MUTED),
        span(f"  {phase(view):<8}", _tone(view)),
    )


def _wide_tail(view: JobView, glyphs: Glyphs) -> Line:
    amount = f"{format_bytes(view.job.done_bytes)} of "
    amount += format_bytes(view.job.total_bytes)
    return (
        span(format_rate(view.rate_bytes_per_s).rjust(10)),
        span(eta(view).rjust(13), Tone.MUTED),
        span(f"  {phase(view):<8}", _tone(view)),
        span(f"{amount:>21}  ", Tone.MUTED),
        span(f"guest {guest_writes(view):>7} ", Tone.MUTED),
        span(sparkline(view.latencies, 6, glyphs), Tone.CAUTION),
    )

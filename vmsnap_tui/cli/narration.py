"""A run, told while it happens: steps as lines, bytes as one line that moves."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from vmsnap_tui.cli.diagnostics import Diagnostics
from vmsnap_tui.engine.events import (
    JobsMoved,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.units import format_bytes, format_duration, format_rate

if TYPE_CHECKING:
    from vmsnap_tui.engine.events import JobView
    from vmsnap_tui.model.job import Job


class Narration:
    """Tells one run on stderr."""

    def __init__(
        self, err: Diagnostics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._err = err
        self._clock = clock
        self._began_s = clock()
        self._totals: dict[str, tuple[int, int]] = {}

    def tell(self, event: RunEvent) -> None:
        match event:
            case RunStarted():
                self._started(event)
            case StepStarted():
                self._step_started(event)
            case StepEnded():
                self._step_ended(event)
            case RunProgressed():
                self._progressed(event)
            case RunEnded():
                pass
            case _:
                assert_never(event)

    def _started(self, event: RunStarted) -> None:
        verb = "going on with" if event.resumed else "operation"
        self._err.event(
            "operation-started",
            f"{verb} {event.operation}: {event.plan.title}",
            operation=event.operation,
            title=event.plan.title,
            resumed=event.resumed,
            steps=len(event.plan.steps),
        )

    def _step_started(self, event: StepStarted) -> None:
        self._began_s = self._clock()
        self._totals.clear()
        if self._err.as_json or self._err.on_terminal:
            self._err.progress(
                f"{_number(event.index, event.undoing)} {event.text} …",
                operation=event.operation,
                step=event.index + 1,
                undoing=event.undoing,
                text=event.text,
            )

    def _step_ended(self, event: StepEnded) -> None:
        said = f"{_number(event.index, event.undoing)} {event.text}"
        took = format_duration(event.elapsed_s)
        self._err.event(
            "step-ended",
            f"{said}: {event.error}" if event.error else f"{said} ({took})",
            operation=event.operation,
            step=event.index + 1,
            undoing=event.undoing,
            text=event.text,
            elapsed_s=round(event.elapsed_s, 3),
            error=event.error,
        )

    def _progressed(self, event: RunProgressed) -> None:
        self._totals[event.target] = (event.done_bytes, event.total_bytes)
        done = sum(done for done, _ in self._totals.values())
        total = sum(total for _, total in self._totals.values())
        if total <= 0:
            return
        elapsed_s = self._clock() - self._began_s
        parts = [
            f"{target} {_ratio(done, total)}"
            for target, (done, total) in self._totals.items()
        ]
        rate = done / elapsed_s if elapsed_s > 0 else 0.0
        left = f"  ETA {format_duration((total - done) / rate)}" if rate else ""
        self._err.progress(
            f"{'  '.join(parts)}  {format_bytes(done)} of {format_bytes(total)}"
            f"  {format_rate(rate)}{left}",
            operation=event.operation,
            step=event.index + 1,
            target=event.target,
            done_bytes=event.done_bytes,
            total_bytes=event.total_bytes,
        )


def job_told(job: "Job", vm_name: str) -> dict[str, object]:
    """A job in QEMU's words, and whose it is."""
    return {
        "vm": vm_name,
        "id": job.id,
        "kind": job.kind,
        "status": job.status.value,
        "done_bytes": job.done_bytes,
        "total_bytes": job.total_bytes,
        "done_ratio": round(job.done_ratio, 4),
        "speed_bytes_per_s": job.speed_bytes_per_s,
        "io_status": job.io_status,
        "error": job.error,
        "target": job.target,
        "operation": job.operation,
    }


def job_fields(view: "JobView") -> dict[str, object]:
    """A job as the contract gives it, and how it moves."""
    return job_told(view.job, view.vm_name) | {
        "rate_bytes_per_s": round(view.rate_bytes_per_s),
        "eta_s": view.eta_s,
        "write_latency_s": view.write_latency_s,
    }


def jobs_line(event: JobsMoved) -> str:
    return "; ".join(
        f"{view.job.id} {view.job.status.value}"
        f" {_ratio(view.job.done_bytes, view.job.total_bytes)}"
        for view in event.jobs
    )


def _number(index: int, undoing: bool) -> str:
    return f"undo {index + 1}." if undoing else f"{index + 1}."


def _ratio(done: int, total: int) -> str:
    return f"{min(done / total, 1.0):.0%}" if total > 0 else "…"

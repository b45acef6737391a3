"""Rates, remaining times and guest write latencies, from one read to the next.

QEMU tells totals only; what an operator wants is what happens now. Rates are
smoothed over about four reads, so that a bar does not jump and a stall still shows
within two seconds.
"""

from collections import deque
from dataclasses import dataclass, field

from vmsnap_tui.engine.events import JobView
from vmsnap_tui.model.disk import DiskIo
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Vm

SMOOTHING = 0.4
HISTORY = 60
"""Half a minute of reads at 2 Hz: as many as a sparkline shows."""

_MOVING = frozenset({JobStatus.RUNNING, JobStatus.READY})


@dataclass(slots=True)
class _Meter:
    done_bytes: int
    at_s: float
    moved_s: float
    rate: float = 0.0
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Meters:
    """Feed it every read of a machine; it answers with the jobs as they move."""

    def __init__(self) -> None:
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._io: dict[tuple[str, str], DiskIo] = {}

    def feed(
        self, vm: Vm, at_s: float, titles: dict[str, str] | None = None
    ) -> tuple[JobView, ...]:
        """`at_s` is a monotonic clock; `titles` names our operations by id."""
        latencies = {d.target: self._latency(vm, d.target, d.io) for d in vm.disks}
        present = {(vm.key, job.id) for job in vm.jobs}
        for key in [k for k in self._meters if k[0] == vm.key and k not in present]:
            del self._meters[key]
        return tuple(
            self._view(vm, job, at_s, latencies.get(job.target), titles or {})
            for job in vm.jobs
        )

    def _latency(self, vm: Vm, target: str, io: DiskIo | None) -> float | None:
        """Mean time of the guest's writes since the last read, None without any."""
        key = (vm.key, target)
        before = self._io.get(key)
        if io is None:
            return None
        self._io[key] = io
        if before is None or io.writes <= before.writes:
            return None
        return (io.write_time_s - before.write_time_s) / (io.writes - before.writes)

    def _view(
        self,
        vm: Vm,
        job: Job,
        at_s: float,
        latency_s: float | None,
        titles: dict[str, str],
    ) -> JobView:
        meter = self._meters.get((vm.key, job.id))
        if meter is None or job.done_bytes < meter.done_bytes:
            meter = _Meter(job.done_bytes, at_s, at_s)
            self._meters[(vm.key, job.id)] = meter
        self._move(meter, job, at_s)
        if latency_s is not None:
            meter.latencies.append(latency_s)
        left = max(job.total_bytes - job.done_bytes, 0)
        moving = job.status in _MOVING and meter.rate > 0
        return JobView(
            vm=vm.key,
            vm_name=vm.name,
            job=job,
            title=titles.get(job.operation or "", f"{job.kind} {job.id}"),
            rate_bytes_per_s=meter.rate,
            eta_s=left / meter.rate if moving else None,
            idle_s=at_s - meter.moved_s,
            write_latency_s=latency_s,
            rates=tuple(meter.rates),
            latencies=tuple(meter.latencies),
        )

    def _move(self, meter: _Meter, job: Job, at_s: float) -> None:
        elapsed_s = at_s - meter.at_s
        if elapsed_s <= 0:
            return
        step = job.done_bytes - meter.done_bytes
        rate = step / elapsed_s
        first = not meter.rates
        meter.rate = rate if first else meter.rate + SMOOTHING * (rate - meter.rate)
        meter.rates.append(rate)
        if step > 0:
            meter.moved_s = at_s
        meter.done_bytes, meter.at_s = job.done_bytes, at_s

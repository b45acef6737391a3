"""Rates and latencies from totals, as one read follows another."""

from dataclasses import replace

import pytest

from tests.plan.material import a_disk, a_vm, an_image
from vmsnap_tui.engine.events import JobView
from vmsnap_tui.engine.meters import HISTORY, Meters
from vmsnap_tui.model.disk import Disk, DiskIo
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Vm

RUNNING = Job("vmsnap-op-vda", "backup", JobStatus.RUNNING, 0, 1000, target="vda")


def with_job(done_bytes: int, status: JobStatus = JobStatus.RUNNING) -> Vm:
    return _vm(replace(RUNNING, done_bytes=done_bytes, status=status))


def with_io(writes: int, write_time_s: float, *jobs: Job) -> Vm:
    io = DiskIo(written_bytes=writes * 512, writes=writes, write_time_s=write_time_s)
    return _vm(*jobs, disk=replace(a_disk(an_image("base")), io=io))


def _vm(*jobs: Job, disk: Disk | None = None) -> Vm:
    return replace(a_vm(disk or a_disk(an_image("base"))), jobs=jobs)


def fed(meters: Meters, vm: Vm, at_s: float) -> JobView:
    (view,) = meters.feed(vm, at_s)
    return view


def test_the_first_read_tells_no_rate() -> None:
    """What was done before it came into sight says nothing of now."""
    view = fed(Meters(), with_job(500), 100.0)
    assert view.rate_bytes_per_s == 0.0
    assert view.eta_s is None
    assert view.rates == ()


def test_the_second_read_tells_the_rate_and_what_is_left() -> None:
    meters = Meters()
    fed(meters, with_job(0), 100.0)
    view = fed(meters, with_job(200), 102.0)
    assert view.rate_bytes_per_s == pytest.approx(100.0)
    assert view.eta_s == pytest.approx(8.0)


def test_a_rate_is_smoothed_but_its_history_is_not() -> None:
    meters = Meters()
    for at_s, done_bytes in enumerate((0, 100, 200, 200)):
        view = fed(meters, with_job(done_bytes), float(at_s))
    assert view.rates == (100.0, 100.0, 0.0)
    assert view.rate_bytes_per_s == pytest.approx(60.0)


def test_a_stall_shows_and_ends() -> None:
    meters = Meters()
    for at_s, done_bytes in ((0, 0), (1, 100), (2, 100), (5, 100)):
        view = fed(meters, with_job(done_bytes), float(at_s))
    assert view.idle_s == 4.0
    assert fed(meters, with_job(101), 6.0).idle_s == 0.0


def test_two_reads_at_one_instant_divide_by_nothing() -> None:
    meters = Meters()
    fed(meters, with_job(0), 1.0)
    assert fed(meters, with_job(500), 1.0).rate_bytes_per_s == 0.0
    assert fed(meters, with_job(600), 2.0).rate_bytes_per_s == pytest.approx(600.0)


def test_a_job_that_waits_has_no_time_left_to_tell() -> None:
    meters = Meters()
    fed(meters, with_job(0), 0.0)
    fed(meters, with_job(900), 1.0)
    for status in (JobStatus.PAUSED, JobStatus.PENDING, JobStatus.CONCLUDED):
        assert fed(meters, with_job(900, status), 1.0).eta_s is None


def test_a_job_that_grows_is_not_done_before_its_end() -> None:
    meters = Meters()
    fed(meters, with_job(0), 0.0)
    grown = replace(RUNNING, done_bytes=1000, total_bytes=3000)
    assert fed(meters, _vm(grown), 1.0).eta_s == pytest.approx(2.0)
    beyond = replace(RUNNING, done_bytes=4000, total_bytes=3000)
    assert fed(meters, _vm(beyond), 2.0).eta_s == 0.0


def test_a_job_that_begins_anew_under_its_name_is_another() -> None:
    meters = Meters()
    fed(meters, with_job(0), 0.0)
    fed(meters, with_job(900), 1.0)
    view = fed(meters, with_job(10), 2.0)
    assert (view.rate_bytes_per_s, view.rates) == (0.0, ())


def test_a_job_that_went_is_forgotten() -> None:
    meters = Meters()
    fed(meters, with_job(0), 0.0)
    fed(meters, with_job(100), 1.0)
    assert meters.feed(_vm(), 2.0) == ()
    assert fed(meters, with_job(500), 3.0).rates == ()


def test_machines_with_jobs_of_one_name_are_kept_apart() -> None:
    meters = Meters()
    other = replace(with_job(0), uuid="other")
    fed(meters, with_job(0), 0.0)
    fed(meters, other, 0.0)
    assert fed(meters, with_job(100), 1.0).rate_bytes_per_s == pytest.approx(100.0)
    assert meters.feed(replace(_vm(), uuid="other"), 1.0) == ()
    assert fed(meters, with_job(200), 2.0).rates == (100.0, 100.0)


def test_the_history_does_not_grow_without_end() -> None:
    meters = Meters()
    for at_s in range(3 * HISTORY):
        view = fed(meters, with_job(at_s), float(at_s))
    assert len(view.rates) == HISTORY


# Whose job it is


def test_a_job_of_ours_bears_its_operation_s_title() -> None:
    (view,) = Meters().feed(with_job(0), 0.0, {"op": "backup web-01"})
    assert (view.title, view.vm_name) == ("backup web-01", "web-01")


def test_a_foreign_job_bears_its_own_name() -> None:
    foreign = replace(RUNNING, id="drive-mirror0", kind="mirror")
    (view,) = Meters().feed(_vm(foreign), 0.0, {"op": "not this"})
    assert view.title == "mirror drive-mirror0"


# What the guest feels


def test_latency_is_the_mean_over_the_writes_since_the_last_read() -> None:
    meters = Meters()
    fed(meters, with_io(100, 1.0, RUNNING), 0.0)
    view = fed(meters, with_io(150, 1.1, RUNNING), 1.0)
    assert view.write_latency_s == pytest.approx(0.002)
    assert view.latencies == pytest.approx((0.002,))


@pytest.mark.parametrize("writes", [100, 0], ids=["none", "after a reset"])
def test_without_writes_there_is_no_latency(writes: int) -> None:
    meters = Meters()
    fed(meters, with_io(100, 1.0, RUNNING), 0.0)
    assert fed(meters, with_io(writes, 0.0, RUNNING), 1.0).write_latency_s is None


def test_latency_is_known_at_once_when_a_job_begins() -> None:
    meters = Meters()
    meters.feed(with_io(100, 1.0), 0.0)
    view = fed(meters, with_io(110, 1.1, RUNNING), 1.0)
    assert view.write_latency_s == pytest.approx(0.01)

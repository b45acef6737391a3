"""A job in one line, or in two."""

from dataclasses import replace

import pytest

from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.tui.glyphs import ASCII, UNICODE
from vmsnap_tui.tui.scenes import jobs
from vmsnap_tui.tui.view.jobs import (
    amount,
    bar_spans,
    eta,
    guest_writes,
    job_line,
    job_lines,
    job_tone,
    phase,
    sparkline,
)
from vmsnap_tui.tui.view.spans import Tone, plain
from vmsnap_tui.units import GiB, MiB

_JOB = jobs()[0]


@pytest.mark.parametrize("width", [76, 78, 116, 160])
def test_a_line_fills_the_width_and_no_more(width: int) -> None:
    assert len(plain(job_line(_JOB, UNICODE, width))) == width


def test_what_matters_is_in_the_narrow_line() -> None:
    said = plain(job_line(_JOB, UNICODE, 78))
    for word in ("backup web-01", "vda", "61 %", "112 MiB/s", "ETA", "running"):
        assert word in said


def test_the_wide_line_has_amount_and_guest_latency() -> None:
    said = plain(job_line(_JOB, UNICODE, 118))
    assert "193 of 312 MiB" in said
    assert "1.2 ms" in said


def test_two_lines_hold_limit_and_error() -> None:
    _, second = job_lines(jobs()[1], UNICODE, 78)
    assert "limit 256 MiB/s" in plain(second)
    broken = replace(_JOB, job=replace(_JOB.job, error="no \x1b space"))
    assert "no ␛ space" in plain(job_lines(broken, UNICODE, 118)[1])


def test_a_bar_is_full_only_when_all_is_done() -> None:
    nearly = bar_spans(0.999, 10, ASCII, Tone.JOB)
    assert plain(nearly) == "#########."
    assert plain(bar_spans(1.0, 10, ASCII, Tone.JOB)) == "#" * 10
    assert plain(bar_spans(0.0, 10, ASCII, Tone.JOB)) == "." * 10


def test_a_sparkline_is_relative_to_its_own_most() -> None:
    assert sparkline((0.0, 1.0, 2.0), 3, UNICODE) == "▁▅█"
    assert sparkline((), 3, UNICODE) == "   "
    assert sparkline((0.0, 0.0), 2, ASCII) == "__"
    assert len(sparkline(tuple(float(n) for n in range(99)), 8, ASCII)) == 8


def test_the_phase_is_qemus_word_or_what_is_wrong() -> None:
    assert phase(_JOB) == "running"
    assert phase(replace(_JOB, job=replace(_JOB.job, io_status="nospace"))) == "nospace"
    failed = replace(_JOB, job=replace(_JOB.job, error="x"))
    assert phase(failed) == "failed"
    assert job_tone(failed) is Tone.ALARM


def test_what_stands_still_says_for_how_long() -> None:
    assert eta(replace(_JOB, eta_s=163.0)) == "ETA 2:43"
    assert eta(replace(_JOB, eta_s=3723.0)) == "ETA 1:02:03"
    assert eta(replace(_JOB, eta_s=None)) == ""
    assert eta(replace(_JOB, idle_s=12.4)) == "still 12 s"
    waiting = replace(_JOB, job=replace(_JOB.job, status=JobStatus.PENDING))
    assert eta(waiting) == ""


def test_amounts_share_a_unit_where_they_can() -> None:
    assert amount(2 * GiB, 4 * GiB) == "2.00 of 4.00 GiB"
    assert amount(2 * MiB, 4 * GiB) == "2.00 MiB of 4.00 GiB"


def test_a_guest_that_does_not_write_is_idle() -> None:
    assert guest_writes(jobs()[1]) == "idle"

"""Findings, worst first, each with what to do about it."""

from dataclasses import replace
from datetime import UTC

from vmsnap_tui.tui.fixed_operations import NOW_UTC
from vmsnap_tui.tui.scenes_operations import FINDINGS, INTERRUPTED
from vmsnap_tui.tui.view.finding_rows import (
    finding_counts,
    findings_page,
    unfinished_line,
    unfinished_page,
)
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import plain

CLOCK = Clock(NOW_UTC, UTC)


def test_the_worst_comes_first_and_each_has_evidence_and_remedy() -> None:
    text = as_text(findings_page(tuple(reversed(FINDINGS))))
    kinds = [f.kind for f in FINDINGS]
    places = [text.index(kind) for kind in kinds]
    assert max(places[:2]) < places[2] < places[3]
    for finding in FINDINGS:
        assert finding.evidence in text
        assert f"→ {finding.remedy}" in text


def test_counts_name_each_severity() -> None:
    assert finding_counts(FINDINGS) == "2 alarms · 1 warning · 1 note"


def test_when_nothing_is_wrong_it_says_so() -> None:
    assert finding_counts(()) == "all well"
    assert "nothing is stale" in as_text(findings_page(()))


def test_an_interrupted_operation_says_what_recovery_does() -> None:
    assert INTERRUPTED.will in plain(unfinished_line(INTERRUPTED, CLOCK))
    assert INTERRUPTED.will in as_text(unfinished_page(INTERRUPTED, CLOCK))


def test_an_operation_that_a_living_process_holds_names_it() -> None:
    held = replace(INTERRUPTED, alive=True)
    assert f"held by {held.owner}" in plain(unfinished_line(held, CLOCK))
    assert "nothing is to be recovered" in as_text(unfinished_page(held, CLOCK))

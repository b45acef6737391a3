"""The ledger in rows and on a page: told by words, whatever the colours are."""

from dataclasses import replace
from datetime import UTC

from tests.plan.ledger_material import NAMES, Fate, machine
from tests.plan.ledger_material import kept as holdings
from vmsnap_tui.model.ledger import Ledger
from vmsnap_tui.plan.ledger import Kept, ledger_of
from vmsnap_tui.tui.fixed_ledgers import (
    HOSTILE,
    NIGHTLY,
    hostile,
    kept,
    lost_metadata,
    whole,
    without_records,
)
from vmsnap_tui.tui.fixed_operations import NOW_UTC
from vmsnap_tui.tui.glyphs import ASCII, UNICODE, Glyphs
from vmsnap_tui.tui.view.ledger_rows import (
    empty_page,
    matrix,
    row_page,
    severity_of,
    short_name,
    summary,
)
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import plain

CLOCK = Clock(NOW_UTC, UTC)


def texts(ledger: Ledger, width: int, glyphs: Glyphs = UNICODE) -> list[list[str]]:
    found = matrix(ledger, width, NOW_UTC, glyphs)
    return [[plain(cell) for cell in cells] for _, cells in found.rows]


def page(ledger: Ledger, name: str, glyphs: Glyphs = UNICODE) -> str:
    row = ledger.row(name)
    assert row is not None
    return as_text(row_page(row, ledger, CLOCK, glyphs), 100)


def test_a_row_says_sign_age_each_disk_the_point_and_the_drift() -> None:
    failed, lost, theirs, old = texts(ledger_of(lost_metadata(), kept()), 78)
    assert lost == [
        "△",
        "31f0a2bd",
        "9 h",
        "no checkpoint, 1.17 GiB",
        "no checkpoint, 84.0 MiB",
        "yes",
        "bitmap-without-checkpoint",
    ]
    assert failed[0] == "·" and failed[-2:] == ["no", "checkpoint-without-point"]
    assert theirs[1] == NIGHTLY and theirs[-2] == "─"
    assert old[3:5] == ["no bitmap", "─"]


def test_two_disks_fit_eighty_columns_and_more_share_the_last_one() -> None:
    ledger = ledger_of(lost_metadata(), kept())
    assert matrix(ledger, 78, NOW_UTC, UNICODE).disks == ("vda", "vdb")
    fates = {f"vd{c}": Fate("whole", "keeps none") for c in "abcdef"}
    fates["vdf"] = Fate("inconsistent", "keeps none")
    vm = machine(NAMES["newest"], fates)
    many = ledger_of(vm, holdings(*fates))
    found = matrix(many, 78, NOW_UTC, UNICODE)
    assert found.disks == ("vda", "+5 disks")
    assert texts(many, 78)[0][4] == "inconsistent"
    assert len(matrix(many, 200, NOW_UTC, UNICODE).disks) == 6
    assert "vdf" in page(many, NAMES["newest"])


def test_the_page_says_the_drift_then_the_three_records_then_the_next_backup() -> None:
    ledger = ledger_of(lost_metadata(), kept())
    text = page(ledger, ledger.rows[1].name)
    assert "△ bitmap-without-checkpoint  on vda, vdb" in text
    assert "→ a repair makes the checkpoint known again" in text
    assert "metadata     not known to the hypervisor" in text
    assert "in the repository" in text
    assert "the next increment stands on it" in text
    assert "next vda     full" in text


def test_where_all_agrees_it_says_so() -> None:
    ledger = ledger_of(whole(), kept())
    assert texts(ledger, 78)[0][0] == "✓"
    assert "agree" in page(ledger, ledger.rows[0].name)
    assert summary(ledger) == "1 checkpoint · all agree"


def test_what_is_not_known_is_never_called_well() -> None:
    off = machine(NAMES["newest"], {"vda": Fate("unread", "not asked")})
    ledger = ledger_of(off, holdings("vda"))
    assert [texts(ledger, 78)[0][n] for n in (0, 3, -1)] == [
        "?",
        "unknown",
        "not known",
    ]
    assert "cannot be told now" in page(ledger, NAMES["newest"])
    assert summary(ledger) == "1 checkpoint · not all is known"


def test_a_backup_that_is_not_over_is_no_drift() -> None:
    vm = machine(NAMES["pending"], {"vda": Fate("whole", "keeps none")})
    ledger = ledger_of(vm, holdings())
    assert [texts(ledger, 78)[0][n] for n in (0, -2, -1)] == [
        "●",
        "pending",
        "being made",
    ]
    assert "its backup is not over" in page(ledger, NAMES["pending"])


def test_the_summary_counts_what_others_made_as_no_drift() -> None:
    ledger = ledger_of(lost_metadata(), kept())
    assert summary(ledger) == "4 checkpoints · 4 drifts · 3 can be repaired"


def test_an_empty_ledger_says_how_to_begin() -> None:
    ledger = ledger_of(without_records(), None)
    assert "b on the machine" in as_text(empty_page(ledger, UNICODE), 80)
    assert summary(ledger) == "nothing is recorded yet"
    unread = replace(ledger, untold="its bitmaps cannot be read while a job runs")
    text = as_text(empty_page(unread, UNICODE), 80)
    assert "while a job runs" in text and "b on the machine" not in text


def test_a_disk_that_cannot_be_backed_up_now_says_why() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("busy", "keeps none")})
    ledger = ledger_of(vm, holdings("vda"))
    assert "is in use by another operation" in page(ledger, NAMES["newest"])


def test_points_under_another_uuid_are_told_on_the_page_of_an_empty_ledger() -> None:
    vm = machine("x", {"vda": Fate("none", "lost")})
    anew = Kept(replace(holdings().shelf, newest={}), holdings("vda").points)
    text = as_text(empty_page(ledger_of(vm, anew), UNICODE), 80)
    assert "points-under-another-uuid" in text


def test_names_are_short_where_they_are_ours() -> None:
    row = ledger_of(whole(), kept()).rows[0]
    assert short_name(row) == "31f0a2bd"
    assert short_name(replace(row, name=row.name + "-scratch")) == "scratch 31f0a2bd"
    assert severity_of(row) is None
    vm = machine(NAMES["another repository"], {"vda": Fate("whole", "whole")})
    assert short_name(ledger_of(vm, None).rows[0]) == "99999999: 11111111"


def test_a_hostile_name_is_text_everywhere() -> None:
    ledger = ledger_of(hostile(), kept())
    said = page(ledger, HOSTILE) + str(texts(ledger, 78))
    assert "\x1b" not in said and "\u202e" not in said
    assert "[@click=app.quit]" in said


def test_without_utf8_the_signs_are_plain() -> None:
    ledger = ledger_of(lost_metadata(), kept())
    for row in texts(ledger, 78, ASCII):
        assert row[0].isascii() and row[-2].isascii()

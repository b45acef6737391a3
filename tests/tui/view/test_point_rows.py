"""Points in a list and in detail, damaged ones among them."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone

from vmsnap_tui.model.point import Parent
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.fixed_operations import (
    FIRST,
    NOW_UTC,
    SECOND,
    THIRD,
    listing,
    stored_points,
)
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.point_rows import (
    Clock,
    detail_page,
    parents,
    point_rows,
    verified_words,
)

CLOCK = Clock(NOW_UTC, UTC)


def test_the_newest_point_comes_first_and_damaged_ones_keep_their_place() -> None:
    rows = point_rows(listing(), CLOCK)
    assert [row.seq for row in rows] == ["3", "2", "1", "?"]
    assert rows[-1].damaged == "its manifest is empty"


def test_a_row_says_level_a_disk_size_age_and_how_far_it_was_checked() -> None:
    newest, bad, first, _ = point_rows(listing(), CLOCK)
    assert (newest.levels, newest.size, newest.age) == (
        "vda incr, vdb full",
        "41.2 GiB",
        "9 h",
    )
    assert (newest.verified, newest.trusted) == ("never", None)
    assert (bad.verified, bad.trusted) == ("✗ bad 2 h", False)
    assert (first.verified, first.trusted) == ("✓ checksums 2 d", True)


def test_times_are_those_of_the_readers_zone() -> None:
    there = Clock(NOW_UTC, timezone(timedelta(hours=5, minutes=30)))
    assert there.local("2026-11-20T03:00:00.118Z") == "2026-11-20 08:30:00"


def test_a_time_that_is_none_is_shown_as_it_is() -> None:
    assert CLOCK.local("yester\x1bday") == "yester␛day"
    assert CLOCK.age("yesterday") == ""


def test_a_disk_stands_on_its_parents_down_to_the_full() -> None:
    entries = stored_points()
    assert parents(entries, entries[2].point, "vda") == (SECOND, FIRST)
    assert parents(entries, entries[2].point, "vdb") == ()


def test_a_parent_that_is_not_there_is_called_missing() -> None:
    entries = (stored_points()[0], stored_points()[2])
    assert parents(entries, entries[1].point, "vda") == (f"{SECOND} (missing)",)


def test_points_that_stand_on_each_other_in_a_circle_end() -> None:
    first, second, _ = stored_points()
    disk = replace(first.point.disks[0], parent=Parent(SECOND, "0" * 64))
    looped = replace(first, point=replace(first.point, disks=(disk,)))
    found = parents((looped, second), second.point, "vda")
    assert found == (FIRST, SECOND, f"{FIRST} (missing)")


def test_details_hold_instant_files_digests_and_what_was_left_out() -> None:
    entries = listing()
    text = as_text(detail_page(entries[3], entries, CLOCK), 120)
    assert THIRD in text
    assert "fs-frozen, frozen for 118 ms" in text
    assert f"stands on  {SECOND} → {FIRST}" in text
    assert "31f0a2bd" * 8 in text
    assert "it is empty" in text


def test_what_a_check_found_is_said() -> None:
    entries = listing()
    text = as_text(detail_page(entries[2], entries, CLOCK), 120)
    assert "disk-vda.qcow2: its sha256 is not the one" in text


def test_details_of_a_damaged_point_say_why_and_what_to_do() -> None:
    entries = listing()
    text = as_text(detail_page(entries[0], entries, CLOCK), 120)
    assert "damaged      its manifest is empty" in text
    assert "what to do" in text


def test_a_hostile_name_cannot_act() -> None:
    stored = stored_points()[0]
    hostile = replace(stored, point=replace(stored.point, vm_name="a\x1b[2Jb"))
    assert isinstance(hostile, StoredPoint)
    assert point_rows([hostile], CLOCK)[0].vm_name == "a␛[2Jb"


def test_a_point_that_was_never_checked_says_so() -> None:
    assert verified_words(None, CLOCK) == "never"

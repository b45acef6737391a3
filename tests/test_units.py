"""Sizes in, sizes out: exact where bytes are counted, short where they are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.units import (
    GiB,
    KiB,
    MiB,
    TiB,
    format_bytes,
    format_duration,
    format_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64M", 64 * MiB),
        ("64m", 64 * MiB),
        ("1.5 GiB", 3 * GiB // 2),
        ("100MiB/s", 100 * MiB),
        ("100 MB/s", 100 * MiB),
        ("  2 k ", 2 * KiB),
        ("1T", TiB),
        ("17 B", 17),
        ("9007199254740993", 2**53 + 1),
        ("8388608T", 2**63),
    ],
)
def test_what_is_a_size(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    ["", "M", "-1", "+1", "1,5G", "1e9", "0x10", "1.G", ".5G", "1 G i B", "1P", "nan"]
    + ["inf", "1K2", "64M\n64M", "1\u212a", "\u0663M", "1\0"],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 10**30 - 1))
def test_every_count_of_bytes_is_read_exactly(count: int) -> None:
    assert parse_size(str(count)) == count


@given(st.text("0123456789.KMGTiB/s \n", max_size=400))
def test_no_text_does_worse_than_not_being_a_size(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except ValueError as error:
        assert "not a size" in str(error)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (17, "17 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1280 * MiB, "1.25 GiB"),
        (312 * MiB, "312 MiB"),
        (10 * GiB, "10.0 GiB"),
        (999 * MiB, "999 MiB"),
        (1023 * MiB, "1.00 GiB"),
        (GiB - 1, "1.00 GiB"),
        (2**53, "8.00 PiB"),
        (2**63, "8192 PiB"),
        (-5 * MiB, "-5.00 MiB"),
    ],
)
def test_bytes_are_told_in_three_digits(count: int, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(0, 2**59))
def test_what_is_told_is_read_back_within_half_a_percent(count: int) -> None:
    told = format_bytes(count)
    if not told.endswith("PiB"):
        assert parse_size(told) == pytest.approx(count, rel=0.0051)


@given(st.integers(1024, 2**59))
def test_no_size_is_told_in_more_than_eight_columns(count: int) -> None:
    assert len(format_bytes(count)) <= 8


def test_rates_are_sizes_a_second() -> None:
    assert format_rate(412.4 * MiB) == "412 MiB/s"
    assert format_rate(0.4) == "0 B/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1.24, "1.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (60, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (86399.6, "1 d 0 h"),
        (90000, "1 d 1 h"),
        (1e7, "115 d 17 h"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text

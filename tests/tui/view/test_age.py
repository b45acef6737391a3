"""Instants as an operator reads them."""

from datetime import UTC, datetime

import pytest

from vmsnap_tui.tui.view.age import age, clock_text

_NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        ("2026-11-20T11:59:30.000Z", "now"),
        ("2026-11-20T12:00:30.000Z", "now"),
        ("2026-11-20T11:48:00.000Z", "12 min"),
        ("2026-11-20T03:00:00.000Z", "9 h"),
        ("2026-11-17T12:00:00.000Z", "3 d"),
        ("2026-08-01T12:00:00.000Z", "15 wk"),
        ("not a time", "not a time"),
        ("2026-11-20T11:00:00", "2026-11-20T11:00:00"),
    ],
)
def test_an_age_is_one_number_and_a_unit(then: str, shown: str) -> None:
    assert age(then, _NOW) == shown


def test_a_time_names_its_zone() -> None:
    assert clock_text("2026-11-20T03:00:00.000Z") == "2026-11-20 03:00 UTC"
    assert clock_text("?") == "?"

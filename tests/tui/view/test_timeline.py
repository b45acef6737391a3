"""The points of a machine on one line."""

from dataclasses import replace
from pathlib import Path

from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.scenes import WEB, point
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.view.timeline import is_full, timeline, verified_span

_POINTS = tuple(
    StoredPoint(point(WEB, n, {"vda": 1}), Path("/nowhere"), None) for n in range(3)
)
_BAD = Verification(VerifyLevel.STRUCTURE, "2026-11-20T03:00:00.000Z", ok=False)


def test_full_points_and_increments_look_different() -> None:
    assert plain(timeline(_POINTS, UNICODE, 40)) == "●──○──○"
    assert [is_full(stored) for stored in _POINTS] == [True, False, False]


def test_a_point_that_failed_its_check_is_marked() -> None:
    bad = replace(_POINTS[1], verified=_BAD)
    assert plain(timeline((_POINTS[0], bad), UNICODE, 40)) == "●──✗"
    assert "FAILED" in verified_span(bad, NOW).text


def test_the_newest_are_kept_where_there_is_no_room() -> None:
    assert plain(timeline(_POINTS, UNICODE, 7)) == "○──○"


def test_no_point_says_what_to_do() -> None:
    assert "b makes one" in plain(timeline((), UNICODE, 40))


def test_a_check_says_how_far_and_when() -> None:
    good = replace(_BAD, ok=True, level=VerifyLevel.CHECKSUMS)
    checked = replace(_POINTS[0], verified=good)
    assert verified_span(checked, NOW).text == "checksums verified 9 h ago"
    assert verified_span(_POINTS[0], NOW).text == "not verified yet"
    assert verified_span(None, NOW).text == ""

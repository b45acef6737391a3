"""Everything about one machine beside its chains."""

from pathlib import Path

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Observed, Records
from vmsnap_tui.tui.scenes import WEB, jobs, point
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.spans import Line, plain
from vmsnap_tui.tui.view.vm import side_lines, top_lines

_VIEW = ConnectionView(WEB.connection, Link.UP, "", (WEB,))


def text(lines: tuple[Line, ...]) -> str:
    return "\n".join(plain(each) for each in lines)


def test_points_are_newest_first_with_their_freeze_window() -> None:
    points = tuple(
        StoredPoint(point(WEB, n, {"vda": 1}), Path("/nowhere"), None) for n in range(3)
    )
    seen = Observed(fleet=(_VIEW,), records=Records(points={WEB.key: points}))
    said = text(side_lines(WEB, seen, NOW, UNICODE, 46))
    assert said.index("9 h") < said.index("2 d")
    assert "118 ms" in said
    assert "incremental" in said


def test_jobs_are_in_qemus_words() -> None:
    seen = Observed(fleet=(_VIEW,), jobs={WEB.key: jobs()})
    assert "running" in text(side_lines(WEB, seen, NOW, UNICODE, 46))
    assert "none" in text(side_lines(WEB, Observed(), NOW, UNICODE, 46))


def test_the_head_has_state_agent_and_version() -> None:
    said = text(top_lines(WEB, _VIEW, Observed(fleet=(_VIEW,)), UNICODE, 78))
    for word in ("web-01", "running", "agent connected", "10.0.2"):
        assert word in said

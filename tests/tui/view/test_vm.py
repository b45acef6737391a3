"""Everything about one machine beside its chains."""

from pathlib import Path

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Observed, Records
from vmsnap_tui.tui.scenes import WEB, jobs, point
from vmsnap_tui.tui.scenes_libvirt import FAR, SHOP
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.spans import Line, plain
from vmsnap_tui.tui.view.vm import below_lines, side_lines, top_lines

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


def view_of(vm: Vm) -> ConnectionView:
    return ConnectionView(vm.connection, Link.UP, "", (vm,))


def test_a_head_that_is_too_long_takes_two_lines() -> None:
    view = view_of(SHOP)
    seen = Observed(fleet=(view,))
    assert len(top_lines(SHOP, view, seen, UNICODE, 60)) == 3
    wide = top_lines(SHOP, view, seen, UNICODE, 118)
    assert len(wide) == 2 and "libvirt 9.0.0  ·  QEMU 7.2.22" in plain(wide[0])


def test_a_machine_that_may_only_be_looked_at_says_so_at_once() -> None:
    view = view_of(FAR[0])
    seen = Observed(fleet=(view,))
    assert "read-only" in text(top_lines(FAR[0], view, seen, UNICODE, 118))


def test_snapshots_and_checkpoints_come_below_where_they_are_kept() -> None:
    said = text(below_lines(SHOP, NOW, UNICODE, 70))
    assert said.index("Snapshots  2") < said.index("Checkpoints  3")
    assert below_lines(WEB, NOW, UNICODE, 70) == ()


def test_an_agent_behind_libvirt_has_no_address_of_its_own() -> None:
    said = text(side_lines(SHOP, Observed(), NOW, UNICODE, 46))
    assert "reached through libvirt" in said

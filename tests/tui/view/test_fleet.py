"""The list of machines."""

from dataclasses import replace
from pathlib import Path

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Interrupted, Observed, Records
from vmsnap_tui.tui.scenes import BUILD, DB, MAIL, WEB, point
from vmsnap_tui.tui.scenes_libvirt import FAR, LEDGER, REMOTE, SHOP, SYSTEM, WIKI
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.fleet import (
    CONNECTION_KEY,
    FleetRow,
    FleetRows,
    banner_lines,
    changed_bytes,
    depth_span,
    fleet_rows,
    socket_name,
    state_span,
)
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.units import MiB


def stored(vm: Vm) -> StoredPoint:
    found = point(vm, 2, {disk.target: 1 for disk in vm.disks})
    return StoredPoint(found, Path("/nowhere"), None)


def up(vm: Vm) -> ConnectionView:
    return ConnectionView(vm.connection, Link.UP, "", (vm,))


def rows(observed: Observed) -> tuple[FleetRow, ...]:
    return fleet_rows(observed, NOW, UNICODE)


def text(row: FleetRow) -> str:
    return " ".join(plain(cell) for cell in row.cells)


def test_alarms_come_first_then_names() -> None:
    seen = Observed(fleet=(up(WEB), up(MAIL), up(DB), up(BUILD)))
    assert [row.key for row in rows(seen)] == [DB.key, BUILD.key, MAIL.key, WEB.key]
    seen.records = Records(alarms={WEB.key: ("interrupted",)})
    assert [row.key for row in rows(seen)][:2] == [DB.key, WEB.key]


def test_state_is_a_word_beside_the_sign() -> None:
    for state in VmState:
        shown = state_span(replace(WEB, state=state), UNICODE, stale=False).text
        assert state.value in shown
    assert "stale" in state_span(WEB, UNICODE, stale=True).text


def test_a_lost_machine_stays_where_it_was() -> None:
    lost = ConnectionView(WEB.connection, Link.DOWN, "gone", (WEB,))
    seen = Observed(fleet=(lost, up(MAIL)))
    [first, second] = rows(seen)
    assert (first.key, second.key) == (MAIL.key, WEB.key)
    assert "stale" in text(second)


def test_a_connection_that_never_answered_has_a_row() -> None:
    view = ConnectionView("qmp:///run/vm/x.qmp?agent=/y", Link.DOWN, "refused")
    [row] = rows(Observed(fleet=(view,)))
    assert row.key == CONNECTION_KEY + view.uri
    assert "down" in text(row)
    assert "x.qmp" in text(row)
    assert socket_name("qmp://") == "qmp://"


def test_connections_with_many_machines_stand_over_them() -> None:
    view = ConnectionView("qemu:///system", Link.UP, "", (WEB, MAIL))
    found = rows(Observed(fleet=(view,)))
    assert [row.heading for row in found] == [True, False, False]
    assert {row.group for row in found} == {"qemu:///system"}


def test_changes_are_summed_over_the_disks_of_the_last_point() -> None:
    assert changed_bytes(WEB, stored(WEB)) == 396 * MiB
    assert changed_bytes(WEB, None) is None
    assert changed_bytes(MAIL, stored(MAIL)) is None


def test_a_point_without_a_count_is_not_taken_for_no_change() -> None:
    seen = Observed(fleet=(up(MAIL),), records=Records({MAIL.key: (stored(MAIL),)}))
    assert "unknown" in text(rows(seen)[0])
    assert "unknown" not in text(rows(Observed(fleet=(up(MAIL),)))[0])


def test_changes_are_unknown_when_a_bitmap_is_inconsistent() -> None:
    disk = DB.disks[0]
    [bitmap] = disk.active.bitmaps
    broken = replace(disk.active, bitmaps=(replace(bitmap, inconsistent=True),))
    vm = replace(DB, disks=(replace(disk, chain=(broken,)),))
    assert changed_bytes(DB, stored(DB)) == 9318 * MiB
    assert changed_bytes(vm, stored(vm)) is None


def test_a_hostile_name_is_shown_and_obeyed_by_nobody() -> None:
    vm = replace(WEB, name="a\x1b]0;x\x07[/red]b")
    [row] = rows(Observed(fleet=(up(vm),)))
    assert "a␛]0;x␇[/red]b" in text(row)


def test_what_must_be_known_first_stands_over_the_list() -> None:
    left = Interrupted("k", "backup", "web", "", "goes on", False, "me")
    damaged = DamagedEntry("p", "web", Path("/p"), "its manifest is empty")
    seen = Observed(
        records=Records(
            unfinished=(left,), problem="not\x1bmounted", damaged=(damaged, damaged)
        )
    )
    first, second, third = (plain(each) for each in banner_lines(seen, UNICODE))
    assert "1 operation was interrupted: press R" in first
    assert "not␛mounted" in second
    assert "2 points are damaged" in third
    assert banner_lines(Observed(), UNICODE) == ()


def test_a_libvirt_and_sockets_stand_side_by_side_in_their_groups() -> None:
    system = ConnectionView(SYSTEM, Link.UP, "", (SHOP, LEDGER))
    found = rows(Observed(fleet=(system, up(WEB))))
    assert [row.key for row in found] == [
        WEB.key,
        CONNECTION_KEY + SYSTEM,
        LEDGER.key,
        SHOP.key,
    ]


def test_a_connection_that_may_only_read_says_so() -> None:
    view = ConnectionView(REMOTE, Link.UP, "", FAR)
    seen = Observed(fleet=(view,))
    assert text(rows(seen)[0]).endswith("2  read-only")
    [banner] = banner_lines(seen, UNICODE)
    assert f"{REMOTE} is read-only" in plain(banner)


def test_machines_that_mix_snapshots_are_named_before_anything_is_done() -> None:
    one = ConnectionView(SYSTEM, Link.UP, "", (SHOP, WIKI))
    [banner] = banner_lines(Observed(fleet=(one,)), UNICODE)
    assert "wiki-01 mixes internal and external snapshots" in plain(banner)
    two = replace(one, vms=(WIKI, replace(WIKI, name="b")))
    [banner] = banner_lines(Observed(fleet=(two,)), UNICODE)
    assert "2 machines mix" in plain(banner)


def test_changes_are_what_libvirt_vouches_for() -> None:
    assert changed_bytes(SHOP, stored(SHOP)) == 396 * MiB
    assert changed_bytes(LEDGER, stored(LEDGER)) is None


def test_a_long_uri_leaves_room_for_what_is_wrong_with_it() -> None:
    one = ConnectionView(f"{SYSTEM}?socket=/run/a", Link.UP, "", FAR)
    assert text(rows(Observed(fleet=(one,)))[0]).endswith(f"{SYSTEM}  2  read-only")
    other = replace(one, uri=f"{SYSTEM}?socket=/run/b", vms=())
    assert "?socket=/run/a" in text(rows(Observed(fleet=(one, other)))[0])


def test_a_long_chain_stands_out() -> None:
    assert depth_span(3, UNICODE).text == "3"
    assert depth_span(0, UNICODE).text == ""
    assert depth_span(21, UNICODE).text == "△ 21"
    assert depth_span(1, UNICODE, whole=False).text == "1+"


def test_a_machine_of_which_nothing_changed_keeps_its_row() -> None:
    drawing = FleetRows()
    seen = Observed(fleet=(up(WEB), up(MAIL)))
    before = {row.key: row for row in drawing.rows(seen, NOW, UNICODE)}
    seen.fleet = (up(replace(WEB, name="web-02")), up(MAIL))
    after = {row.key: row for row in drawing.rows(seen, NOW, UNICODE)}
    assert after[MAIL.key] is before[MAIL.key]
    assert "web-02" in text(after[WEB.key])


def test_a_row_follows_alarms_jobs_points_and_a_lost_connection() -> None:
    drawing = FleetRows()
    seen = Observed(fleet=(up(WEB),))
    shown = [text(row) for row in drawing.rows(seen, NOW, UNICODE)]
    seen.records = Records(alarms={WEB.key: ("interrupted",)})
    shown += [text(row) for row in drawing.rows(seen, NOW, UNICODE)]
    seen.records = Records(points={WEB.key: (stored(WEB),)})
    shown += [text(row) for row in drawing.rows(seen, NOW, UNICODE)]
    seen.frozen[WEB.key] = "operation"
    shown += [text(row) for row in drawing.rows(seen, NOW, UNICODE)]
    seen.fleet = (replace(up(WEB), link=Link.DOWN),)
    shown += [text(row) for row in drawing.rows(seen, NOW, UNICODE)]
    assert len(set(shown)) == 5
    assert drawing.rows(seen, NOW, UNICODE) == rows(seen)


def test_a_machine_that_was_not_read_yet_claims_nothing() -> None:
    vm = replace(SHOP, disks=(), known=False)
    kept = stored(SHOP)
    observed = Observed(fleet=(up(vm),), records=Records({vm.key: (kept,)}))
    row = rows(observed)[-1]
    assert SHOP.name in text(row)
    assert "0 B" not in text(row)
    assert "unknown" not in text(row)

"""What can be done with a machine here, and what not and why."""

from dataclasses import replace

import pytest

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import ASCII, UNICODE
from vmsnap_tui.tui.scenes import WEB
from vmsnap_tui.tui.scenes_libvirt import DESKTOP, FAR, REMOTE, RIGHT, SHOP
from vmsnap_tui.tui.view.limit_rows import (
    limit_lines,
    why_connection_read_only,
    why_read_only,
)
from vmsnap_tui.tui.view.spans import Tone, plain


def shown(vm: Vm, width: int = 999) -> list[str]:
    return [plain(each) for each in limit_lines(vm, UNICODE, width)]


def test_each_limit_stands_with_its_reason_and_the_version_that_can() -> None:
    lines = shown(SHOP)
    assert lines[0] == "What can be done here"
    [revert] = [each for each in lines if "✗ revert external" in each]
    assert revert.endswith("(needs libvirt 9.9)")
    assert "✗ compress: libvirt's backups are not compressed" in lines


def test_what_can_be_done_comes_first_and_cautions_last() -> None:
    signs = [each[0] for each in shown(SHOP)[1:]]
    assert signs == sorted(signs, key="✓·✗△".index)
    assert shown(SHOP)[1].startswith("✓ backup, incremental, freeze")


def test_what_no_action_asks_for_yet_is_told_apart() -> None:
    _, here, elsewhere, *_ = shown(SHOP)
    assert "snapshot" not in here and "not from here yet: snapshot" in elsewhere


def test_one_reason_for_nearly_all_is_told_once() -> None:
    lines = shown(FAR[0])
    [told] = [each for each in lines if RIGHT in each]
    assert told.startswith("✗ everything but looking: read-only: ")
    assert not any("compressed" in each for each in lines)
    assert not any(each.startswith("✓") for each in lines)


def test_few_abilities_with_one_reason_stand_together() -> None:
    same = tuple(Limit(a, "no") for a in (Ability.MERGE, Ability.DISCARD))
    assert "✗ merge, discard: no" in shown(replace(WEB, limits=same))


def test_of_what_is_refused_nothing_else_is_told() -> None:
    limits = (
        Limit(Ability.MERGE, "never"),
        Limit(Ability.MERGE, "nor so"),
        Limit(Ability.MERGE, "and slowly", warns=True),
    )
    lines = shown(replace(WEB, limits=limits))
    assert [each for each in lines if "merge" in each] == ["✗ merge: never"]


def test_without_limits_everything_can_be_done() -> None:
    _, here, elsewhere = shown(replace(WEB, limits=()))
    assert "write buffer" in here and "pause job" in here
    assert "revert internal" in elsewhere


@pytest.mark.parametrize("width", [36, 46, 76])
@pytest.mark.parametrize("vm", [SHOP, DESKTOP, FAR[0]], ids=lambda vm: vm.name)
def test_lines_fit_the_width(vm: Vm, width: int) -> None:
    assert all(len(each) <= width for each in shown(vm, width))


def test_colour_is_not_needed_to_tell_them_apart() -> None:
    lines = [plain(each) for each in limit_lines(SHOP, ASCII, 80)]
    assert {each[0] for each in lines[1:]} == {"+", "-", "x", "?", " "}
    tones = {part.tone for each in limit_lines(SHOP, ASCII, 80) for part in each}
    assert {Tone.ALARM, Tone.CAUTION, Tone.GOOD} <= tones


def test_a_machine_is_read_only_where_not_even_a_job_may_be_cancelled() -> None:
    assert why_read_only(FAR[0]) == RIGHT
    assert why_read_only(SHOP) == why_read_only(WEB) == ""
    view = ConnectionView(REMOTE, Link.UP, "", FAR)
    assert why_connection_read_only(view) == RIGHT
    assert why_connection_read_only(replace(view, vms=())) == ""

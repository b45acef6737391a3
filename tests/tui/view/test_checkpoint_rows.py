"""The checkpoints that libvirt keeps."""

from dataclasses import replace

import pytest

from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.scenes import WEB
from vmsnap_tui.tui.scenes_libvirt import BUILD, LEDGER, SHOP
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.checkpoint_rows import checkpoint_lines
from vmsnap_tui.tui.view.spans import plain


def shown(vm: Vm, width: int = 70) -> list[str]:
    return [plain(each).rstrip() for each in checkpoint_lines(vm, NOW, UNICODE, width)]


def test_the_newest_comes_first_with_what_was_written_since() -> None:
    title, newest, before, foreign = shown(SHOP)
    assert title == "Checkpoints  3"
    assert newest.endswith("9 h  vda vdb          Δ 396 MiB")
    assert before.endswith("Δ 2.40 GiB")
    assert foreign.split()[0] == "virtnbdbackup.0"


def test_those_of_other_programs_are_told_apart() -> None:
    assert [each.endswith("another program") for each in shown(SHOP)[1:]] == [
        False,
        False,
        True,
    ]


def test_of_ours_the_point_is_seen_where_there_is_no_room_for_the_name() -> None:
    assert "31f0a2bd" in shown(SHOP, 46)[1]
    assert "vmsnap-4e1f20ab-20261120T030000Z-31f0a2bd" in shown(SHOP, 100)[1]


def test_a_broken_record_says_why() -> None:
    _, row, reason = shown(LEDGER)
    assert row.endswith("broken")
    assert reason.strip().startswith("△ vda: libvirt finds no whole bitmap")


def test_what_was_not_asked_is_not_said_to_be_broken() -> None:
    record = Record("vmsnap-x", broken="a job runs", asked=False)
    checkpoint = Checkpoint("vmsnap-x", "2026-11-20T03:00:00Z", ("vda", "gone"))
    disk = replace(SHOP.disks[0], records=(record,))
    [_, row] = shown(replace(SHOP, disks=(disk,), checkpoints=(checkpoint,)))
    assert row.endswith("not read now")


@pytest.mark.parametrize("width", [46, 70, 76])
def test_lines_fit_the_width(width: int) -> None:
    many = Checkpoint(
        "x" * 99, "2026-11-01T03:00:00Z", tuple(f"vd{c}" for c in "abcdefgh")
    )
    vm = replace(SHOP, checkpoints=(*(SHOP.checkpoints or ()), many))
    assert all(len(each) <= width for each in shown(vm, width))


def test_none_kept_is_not_the_same_as_none_there() -> None:
    assert shown(WEB) == []
    assert shown(BUILD) == ["Checkpoints  0"]

"""The snapshots of a machine as a tree."""

from dataclasses import replace

import pytest

from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.scenes import WEB
from vmsnap_tui.tui.scenes_libvirt import BUILD, DESKTOP, SHOP, WIKI
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.snapshot_rows import mixes_kinds, snapshot_lines
from vmsnap_tui.tui.view.spans import plain


def shown(vm: Vm, width: int = 70) -> list[str]:
    return [plain(each).rstrip() for each in snapshot_lines(vm, NOW, UNICODE, width)]


def snapshot(name: str, parent: str = "", *, current: bool = False) -> Snapshot:
    disks = (SnapshotDisk("vda", SnapshotKind.INTERNAL),)
    return Snapshot(name, "2026-11-19T00:00:00Z", "running", disks, parent, "", current)


def with_snapshots(*snapshots: Snapshot) -> Vm:
    return replace(SHOP, snapshots=snapshots)


def test_each_stands_under_what_it_stands_on_and_says_where_you_are() -> None:
    title, before, after, here = shown(SHOP)
    assert title == "Snapshots  2"
    assert before.startswith("  before-upgrade ")
    assert after.startswith("  └ after-upgrade ")
    assert here == "    ▸ you are here"


def test_kind_memory_and_age_are_told() -> None:
    lines = shown(WIKI)
    [golden] = [each for each in lines if "golden" in each]
    assert golden.split()[1:] == ["internal", "with", "memory", "9", "wk"]
    [patched] = [each for each in lines if "└ patched" in each]
    assert patched.split()[2:] == ["external", "disks", "only", "17", "d"]
    assert "internal  while off" in shown(DESKTOP)[1]


def test_a_snapshot_of_both_kinds_is_mixed() -> None:
    both = replace(
        snapshot("s"),
        disks=(
            SnapshotDisk("vda", SnapshotKind.INTERNAL),
            SnapshotDisk("vdb", SnapshotKind.EXTERNAL, "/x"),
            SnapshotDisk("vdc", SnapshotKind.NONE),
        ),
    )
    assert " mixed " in shown(with_snapshots(both))[2]


def test_mixed_kinds_are_warned_of() -> None:
    assert mixes_kinds(WIKI) and not mixes_kinds(SHOP) and not mixes_kinds(WEB)
    assert "are mixed" in shown(WIKI)[1]
    assert not any("are mixed" in each for each in shown(SHOP))


def test_an_overlay_that_left_the_chain_is_told_under_its_snapshot() -> None:
    lines = shown(WIKI)
    at = lines.index("    △ wiki-01.patched is not in the chain of vda")
    assert "└ patched" in lines[at - 1] and "you are here" in lines[at + 1]


def test_overlays_of_other_branches_need_not_be_in_the_chain() -> None:
    assert SHOP.snapshots is not None
    branch = replace(
        SHOP.snapshots[1],
        name="other",
        current=False,
        disks=(SnapshotDisk("vda", SnapshotKind.EXTERNAL, "/elsewhere.qcow2"),),
    )
    assert not any(
        "△" in each for each in shown(with_snapshots(*SHOP.snapshots, branch))
    )


def test_branches_stand_side_by_side() -> None:
    vm = with_snapshots(
        snapshot("a"), snapshot("b", "a"), snapshot("c", "a"), snapshot("d", "b")
    )
    names = [each.split("internal")[0].rstrip() for each in shown(vm)[1:]]
    assert names == ["  a", "  └ b", "    └ d", "  └ c"]


def test_metadata_that_goes_in_a_circle_or_nowhere_is_still_listed() -> None:
    vm = with_snapshots(
        snapshot("a", "b", current=True), snapshot("b", "a"), snapshot("c", "gone")
    )
    text = "\n".join(shown(vm))
    assert all(f"  {name} " in text for name in "abc")


def test_a_deep_tree_does_not_run_out_of_the_screen() -> None:
    names = [f"s{n}" for n in range(60)]
    chain = [snapshot(n, p) for n, p in zip(names, ["", *names], strict=False)]
    lines = shown(with_snapshots(*chain))
    assert len(lines) == 61 and all(len(each) <= 70 for each in lines)


@pytest.mark.parametrize("width", [44, 70, 76])
def test_lines_fit_the_width(width: int) -> None:
    long = replace(SHOP.snapshots[0], name="x" * 200) if SHOP.snapshots else None
    assert long is not None
    vm = with_snapshots(long, *(WIKI.snapshots or ()))
    assert all(len(each) <= width for each in shown(vm, width))


def test_a_hostile_name_is_shown_and_obeyed_by_nobody() -> None:
    vm = with_snapshots(snapshot("a\x1b]0;x\x07"))
    assert "a␛]0;x␇" in shown(vm)[1]


def test_none_kept_is_not_the_same_as_none_there() -> None:
    assert shown(WEB) == []
    assert shown(BUILD) == ["Snapshots  0"]

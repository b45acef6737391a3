"""The chain of a disk, from the active image down."""

from dataclasses import replace

import pytest

from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.scenes import WEB
from vmsnap_tui.tui.scenes_libvirt import SHOP, WIKI
from vmsnap_tui.tui.view.chain import bitmap_state, chain_lines, image_name
from vmsnap_tui.tui.view.spans import plain

_BITMAP = Bitmap("b", 65536, 1, True, False, False, True)


def shown(disk: Disk, width: int = 60, *, bitmaps: bool = False) -> list[str]:
    lines = chain_lines(disk, UNICODE, width, bitmaps=bitmaps)
    return [plain(each) for each in lines]


def test_the_active_image_comes_first_and_the_base_last() -> None:
    lines = shown(WEB.disks[0])
    assert "active" in lines[0]
    assert "base" in lines[-1]
    assert len(lines) == 3


def test_a_single_image_is_told_as_such() -> None:
    [only] = shown(WEB.disks[1])
    assert "only image" in only


def test_a_chain_of_which_not_all_is_told_has_no_base() -> None:
    lines = shown(replace(WEB.disks[1], chain_known=False))
    assert len(lines) == 2
    assert "active" in lines[0] and "only image" not in lines[0]
    assert "not told now" in lines[1]


@pytest.mark.parametrize("width", [40, 60, 78, 118])
def test_lines_fit_the_width(width: int) -> None:
    assert all(len(each) <= width for each in shown(WEB.disks[0], width))


def test_bitmaps_stand_under_their_image() -> None:
    lines = shown(WEB.disks[0], 100, bitmaps=True)
    assert "vmsnap-4e1f20ab" in lines[1]
    assert "recording" in lines[1]
    assert "persistent" in lines[1]


def test_bitmaps_that_cannot_be_read_are_not_said_to_be_none() -> None:
    image = replace(WEB.disks[1].active, bitmaps=(), bitmaps_known=False)
    lines = shown(replace(WEB.disks[1], chain=(image,)), bitmaps=True)
    assert "not read" in lines[1]


def test_a_drive_without_a_medium_says_so() -> None:
    assert "no medium" in shown(Disk("cd", "cd", ()))[0]


def test_names_that_are_no_paths_stay_whole() -> None:
    assert image_name("/a/b.qcow2") == "b.qcow2"
    assert image_name("nbd://host/x") == "nbd://host/x"


@pytest.mark.parametrize(
    ("bitmap", "word"),
    [
        (_BITMAP, "recording"),
        (replace(_BITMAP, recording=False), "disabled"),
        (replace(_BITMAP, busy=True), "busy"),
        (replace(_BITMAP, inconsistent=True, busy=True), "inconsistent"),
    ],
)
def test_a_bitmap_is_one_word(bitmap: Bitmap, word: str) -> None:
    assert bitmap_state(bitmap).text == word


@pytest.mark.parametrize("width", [40, 76])
def test_what_contradicts_the_definition_stands_over_the_chain(width: int) -> None:
    lines = shown(WIKI.disks[0], width)
    assert lines[0].startswith("  △ libvirt's definition names")
    assert all(len(each) <= width for each in lines)
    assert any("wiki-01" in each and "active" in each for each in lines)


def test_where_libvirt_vouches_no_bitmap_is_told_twice() -> None:
    assert len(shown(SHOP.disks[0], bitmaps=True)) == len(SHOP.disks[0].chain)


def test_a_size_that_is_not_known_is_no_size_of_nothing() -> None:
    unknown = replace(WEB.disks[1].active, virtual_bytes=0, allocated_bytes=0)
    [only] = shown(replace(WEB.disks[1], chain=(unknown,)))
    assert " B " not in only

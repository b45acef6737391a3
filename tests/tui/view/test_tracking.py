"""Whether the next backup of a disk can be incremental."""

from dataclasses import replace
from pathlib import Path

from vmsnap_tui.model.checkpoint import Record
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.scenes import WEB, point
from vmsnap_tui.tui.scenes_libvirt import SHOP
from vmsnap_tui.tui.view.tracking import bitmaps_since, changed_since, tracking_span
from vmsnap_tui.units import MiB

_STORED = StoredPoint(point(WEB, 2, {"vda": 1}), Path("/nowhere"), None)
_VDA = WEB.disks[0]


def with_bitmap(**changes: bool) -> Disk:
    [bitmap] = _VDA.active.bitmaps
    active = replace(_VDA.active, bitmaps=(replace(bitmap, **changes),))  # type: ignore[arg-type]
    return replace(_VDA, chain=(active, *_VDA.chain[1:]))


def test_a_recording_bitmap_is_tracking() -> None:
    assert tracking_span(_VDA, _STORED).text == "tracking ok"
    assert len(bitmaps_since(_VDA, _STORED)) == 1


def test_every_other_state_says_that_the_next_is_full() -> None:
    assert "broken" in tracking_span(with_bitmap(inconsistent=True), _STORED).text
    assert "stopped" in tracking_span(with_bitmap(recording=False), _STORED).text
    bare = replace(_VDA, chain=_VDA.chain[1:])
    assert "lost" in tracking_span(bare, _STORED).text


def test_what_is_not_read_now_is_not_said_to_be_lost() -> None:
    unread = replace(_VDA.active, bitmaps=(), bitmaps_known=False)
    shown = tracking_span(replace(_VDA, chain=(unread,)), _STORED)
    assert shown.text == "tracking is not read now"


def test_without_a_point_there_is_nothing_to_track_from() -> None:
    assert tracking_span(_VDA, None).text == "no point yet"
    assert "not in" in tracking_span(WEB.disks[1], _STORED).text


def test_a_disk_that_takes_no_part_says_why() -> None:
    assert tracking_span(Disk("cd", "", (), unfit="it is empty"), None).text == (
        "it is empty"
    )


_SHOP = StoredPoint(point(SHOP, 2, {"vda": 1}), Path("/nowhere"), None)


def vouched(*records: Record) -> Disk:
    return replace(SHOP.disks[0], records=records)


def test_what_the_hypervisor_vouches_for_goes_before_what_stands_in_the_images() -> (
    None
):
    name = _SHOP.point.disks[0].bitmap
    assert changed_since(SHOP.disks[0], _SHOP) == 312 * MiB
    assert tracking_span(SHOP.disks[0], _SHOP).text == "tracking ok"
    assert "lost" in tracking_span(vouched(), _SHOP).text
    assert "broken" in tracking_span(vouched(Record(name, broken="no")), _SHOP).text
    unasked = Record(name, broken="a job runs", asked=False)
    assert "not read" in tracking_span(vouched(unasked), _SHOP).text
    for disk in (vouched(), vouched(Record(name, 5, "no")), vouched(unasked)):
        assert changed_since(disk, _SHOP) is None


def test_a_record_that_was_not_asked_for_since_is_not_said_to_be_lost() -> None:
    disk = replace(vouched(), records_known=False)
    assert tracking_span(disk, _SHOP).text == "tracking is not read now"
    assert changed_since(disk, _SHOP) is None


def test_a_disk_that_cannot_be_tracked_is_always_a_full() -> None:
    disk = replace(SHOP.disks[0], untracked="raw")
    assert tracking_span(disk, _SHOP).text == "not tracked: each is full"


def test_bitmaps_of_a_chain_are_summed_and_broken_ones_count_nothing() -> None:
    assert changed_since(_VDA, _STORED) == 312 * MiB
    assert changed_since(with_bitmap(inconsistent=True), _STORED) is None
    assert changed_since(_VDA, None) is changed_since(WEB.disks[1], _STORED) is None

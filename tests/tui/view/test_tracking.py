"""Whether the next backup of a disk can be incremental."""

from dataclasses import replace
from pathlib import Path

from vmsnap_tui.model.disk import Disk
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.scenes import WEB, point
from vmsnap_tui.tui.view.tracking import bitmaps_since, tracking_span

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


def test_what_is_not_read_while_a_job_runs_is_not_said_to_be_lost() -> None:
    unread = replace(_VDA.active, bitmaps=(), bitmaps_known=False)
    shown = tracking_span(replace(_VDA, chain=(unread,)), _STORED)
    assert "not read while a job runs" in shown.text


def test_without_a_point_there_is_nothing_to_track_from() -> None:
    assert tracking_span(_VDA, None).text == "no point yet"
    assert "not in" in tracking_span(WEB.disks[1], _STORED).text


def test_a_disk_that_takes_no_part_says_why() -> None:
    assert tracking_span(Disk("cd", "", (), unfit="it is empty"), None).text == (
        "it is empty"
    )

"""When an increment may be trusted: every rule of dirty bitmaps by its name.

A bitmap that is merely there proves nothing. What counts is that every write since
the point's instant is in one of the bitmaps that the increment merges.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.material import (
    EARLIER,
    PREFIX,
    SHA256,
    TRACKING,
    a_bitmap,
    a_disk,
    a_raw_disk,
    a_shelf,
    an_image,
    stored,
)
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Record
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.instant import RecordedIn
from vmsnap_tui.model.point import DiskLevel, Parent
from vmsnap_tui.plan.levels import (
    MAX_CHAIN_DEPTH,
    Decision,
    decide,
    stale_bitmaps,
)
from vmsnap_tui.plan.requests import Level
from vmsnap_tui.units import GiB, MiB

SHELF = a_shelf(stored("base"))


def decided(disk: Disk) -> Decision:
    return decide(disk, Level.AUTO, SHELF)


def reason_for_full(disk: Disk) -> str:
    decision = decided(disk)
    assert decision.level is DiskLevel.FULL
    assert decision.parent is None
    assert decision.parent_file is None
    assert decision.merge == ()
    assert decision.dirty_bytes == 0
    return decision.reason


# What is trusted


def test_an_intact_record_gives_an_increment_on_the_last_point() -> None:
    assert decided(a_disk(an_image("base", a_bitmap()))) == Decision(
        level=DiskLevel.INCREMENTAL,
        reason=f"every write since point {EARLIER} is recorded",
        parent=Parent(EARLIER, SHA256),
        parent_file="disk-vda.qcow2",
        merge=(RecordedIn("node-base", TRACKING),),
        dirty_bytes=3 * MiB,
    )


def test_images_below_the_one_of_the_last_point_need_no_record() -> None:
    """They were read-only at its instant and are so still."""
    disk = a_disk(an_image("base", a_bitmap()), an_image("golden", read_only=True))
    assert decided(disk).merge == (RecordedIn("node-base", TRACKING),)


def test_an_increment_is_never_estimated_above_the_size_of_the_disk() -> None:
    disk = a_disk(an_image("base", a_bitmap(dirty_bytes=11 * GiB)))
    assert decided(disk).dirty_bytes == 10 * GiB


def test_a_raw_disk_whose_record_is_in_memory_is_trusted_while_it_is_there() -> None:
    shelf = a_shelf(replace(stored(), source_path="/images/raw.img"))
    decision = decide(a_raw_disk(a_bitmap()), Level.AUTO, shelf)
    assert decision.level is DiskLevel.INCREMENTAL


# What is not


def test_no_bitmap_at_all_makes_a_full() -> None:
    reason = reason_for_full(a_disk(an_image("base")))
    assert reason == "the record of changes is missing in /images/base.qcow2"


def test_a_raw_disk_after_a_restart_of_qemu_makes_a_full() -> None:
    shelf = a_shelf(replace(stored(), source_path="/images/raw.img"))
    decision = decide(a_raw_disk(), Level.AUTO, shelf)
    assert decision.level is DiskLevel.FULL
    assert decision.reason == "the record of changes is missing in /images/raw.img"


def test_an_inconsistent_bitmap_makes_a_full() -> None:
    """QEMU was killed: what was written last is in no bitmap."""
    broken = a_bitmap(inconsistent=True, recording=False, dirty_bytes=0)
    assert reason_for_full(a_disk(an_image("base", broken))) == (
        "the record of changes in /images/base.qcow2 broke when QEMU was killed"
    )


def test_a_bitmap_that_is_not_recording_makes_a_full() -> None:
    off = a_bitmap(recording=False)
    assert reason_for_full(a_disk(an_image("base", off))) == (
        "the record of changes in /images/base.qcow2 was switched off"
    )


def test_bitmaps_that_could_not_be_read_make_a_full() -> None:
    """QEMU before 10 cannot be asked for the whole graph while a job runs."""
    base = replace(an_image("base", a_bitmap()), bitmaps_known=False)
    assert reason_for_full(a_disk(base)) == (
        "the bitmaps of /images/base.qcow2 cannot be read while a job runs"
    )


def test_a_busy_bitmap_is_refused_and_not_answered_with_a_full() -> None:
    """It is another operation's: a full would not lose data, but race with it."""
    disk = a_disk(an_image("base", a_bitmap(busy=True)))
    with pytest.raises(PlanRefused) as caught:
        decided(disk)
    assert caught.value.cause == "the tracking of vda is in use by another operation"
    assert caught.value.evidence == f"bitmap {TRACKING} is busy"
    assert caught.value.remedy


def test_a_full_that_was_asked_for_does_not_mind_a_busy_bitmap() -> None:
    disk = a_disk(an_image("base", a_bitmap(busy=True)))
    assert decide(disk, Level.FULL, SHELF).reason == "a full was asked for"


def test_an_image_that_left_the_chain_makes_a_full() -> None:
    """Somebody merged it down: the image below has the writes, but no record."""
    disk = a_disk(an_image("golden", a_bitmap()))
    assert reason_for_full(disk) == (
        "the image of the last point, /images/base.qcow2, left the chain"
    )


def test_a_disk_without_a_medium_makes_a_full() -> None:
    resized = replace(stored(), virtual_bytes=0)
    decision = decide(a_disk(), Level.AUTO, a_shelf(resized))
    assert decision.level is DiskLevel.FULL


@pytest.mark.parametrize("carried", [True, False])
def test_an_overlay_since_the_last_point_makes_a_full(carried: bool) -> None:
    """Without the bitmap it is the crash trap: QEMU was killed with the overlay
    active, the base was read-only and its bitmap is good. With it, an overlay that
    stood in between may have been streamed away, and its record with it."""
    top = an_image("top", *([a_bitmap()] if carried else []))
    disk = a_disk(top, an_image("base", a_bitmap(), read_only=True))
    assert reason_for_full(disk) == (
        "/images/top.qcow2 was put on top of /images/base.qcow2 since:"
        " nothing proves which writes are recorded"
    )


def test_the_record_of_another_point_is_no_record() -> None:
    other = a_bitmap(PREFIX + "20261119T010000Z-00000000")
    assert "is missing" in reason_for_full(a_disk(an_image("base", other)))


def test_the_record_for_another_repository_is_no_record() -> None:
    other = a_bitmap(f"vmsnap-ffffffff-{EARLIER}")
    assert "is missing" in reason_for_full(a_disk(an_image("base", other)))


@pytest.mark.parametrize("now_bytes", [5 * GiB, 20 * GiB])
def test_a_resized_disk_makes_a_full(now_bytes: int) -> None:
    image = replace(an_image("base", a_bitmap()), virtual_bytes=now_bytes)
    assert reason_for_full(a_disk(image)).startswith(
        "the disk was resized from 10.0 GiB to "
    )


def test_a_chain_of_points_does_not_grow_without_end() -> None:
    disk = a_disk(an_image("base", a_bitmap()))
    almost = decide(disk, Level.AUTO, a_shelf(stored(), depth=MAX_CHAIN_DEPTH - 1))
    enough = decide(disk, Level.AUTO, a_shelf(stored(), depth=MAX_CHAIN_DEPTH))
    assert almost.level is DiskLevel.INCREMENTAL
    assert enough.level is DiskLevel.FULL
    assert enough.reason == "the last point already stands on 100 files"


def test_a_damaged_last_point_is_not_built_upon() -> None:
    shelf = replace(SHELF, broken={"vda": "its parent is missing"})
    decision = decide(a_disk(an_image("base", a_bitmap())), Level.AUTO, shelf)
    assert decision == Decision(DiskLevel.FULL, "its parent is missing")


def test_the_first_point_of_a_disk_is_a_full() -> None:
    disk = a_disk(an_image("base", a_bitmap()), target="vdb")
    assert reason_for_full(disk) == "the first point of this disk"


def test_a_point_that_does_not_hold_the_disk_is_no_parent() -> None:
    shelf = replace(SHELF, newest={"vdb": SHELF.newest["vda"]})
    disk = a_disk(an_image("base", a_bitmap()), target="vdb")
    assert decide(disk, Level.AUTO, shelf).reason == "the first point of this disk"


# Whatever the chain

_RECORDS = st.one_of(
    st.none(),
    st.builds(
        a_bitmap,
        st.sampled_from([TRACKING, "vmsnap-ffffffff-other", "libvirt-1"]),
        dirty_bytes=st.integers(0, 20 * GiB),
        recording=st.booleans(),
        busy=st.booleans(),
        inconsistent=st.booleans(),
    ),
)


@given(
    records=st.lists(st.tuples(_RECORDS, st.booleans()), min_size=1, max_size=5),
    source=st.integers(0, 5),
    level=st.sampled_from(Level),
)
def test_an_increment_is_only_had_where_the_same_image_has_recorded_since(
    records: list[tuple[Bitmap | None, bool]], source: int, level: Level
) -> None:
    chain = tuple(
        replace(
            an_image(f"i{number}", *([bitmap] if bitmap else [])), bitmaps_known=known
        )
        for number, (bitmap, known) in enumerate(records)
    )
    shelf = a_shelf(stored(f"i{source}"))
    try:
        decision = decide(a_disk(*chain), level, shelf)
    except PlanRefused:
        assert any(bitmap and bitmap.busy for bitmap, _ in records)
        return
    bitmap = chain[0].bitmap(TRACKING)
    intact = source == 0 and bool(bitmap and bitmap.trusted and records[0][1])
    incremental = decision.level is DiskLevel.INCREMENTAL
    assert incremental == (intact and level is not Level.FULL)
    expected = (RecordedIn(chain[0].node, TRACKING),)
    assert decision.merge == (expected if incremental else ())
    assert (decision.parent is not None) == incremental


# What a new point makes needless


def test_old_bitmaps_of_this_repository_become_stale() -> None:
    older = a_bitmap(PREFIX + "20261119T010000Z-00000000")
    disk = a_disk(an_image("top", a_bitmap()), an_image("base", a_bitmap(), older))
    assert stale_bitmaps(disk, SHELF) == (
        ("node-top", TRACKING),
        ("node-base", TRACKING),
        ("node-base", older.name),
    )


def test_a_broken_bitmap_is_stale_too() -> None:
    broken = a_bitmap(inconsistent=True, recording=False)
    assert stale_bitmaps(a_disk(an_image("base", broken)), SHELF) == (
        ("node-base", TRACKING),
    )


@pytest.mark.parametrize(
    "name", ["vmsnap-ffffffff-20261119T010000Z-00000000", "libvirt-1", "qmpbackup-x"]
)
def test_bitmaps_of_other_repositories_and_tools_are_left_alone(name: str) -> None:
    assert stale_bitmaps(a_disk(an_image("base", a_bitmap(name))), SHELF) == ()


def test_bitmaps_of_a_read_only_image_are_left_alone() -> None:
    """QEMU cannot remove them in this run, and no later increment trusts them."""
    disk = a_disk(an_image("base", a_bitmap(), read_only=True))
    assert stale_bitmaps(disk, SHELF) == ()


def test_a_busy_bitmap_is_left_to_the_job_that_uses_it() -> None:
    disk = a_disk(an_image("base", a_bitmap(busy=True)))
    assert stale_bitmaps(disk, SHELF) == ()


# What a hypervisor vouches for


def vouched(*records: Record, chain: tuple[str, ...] = ("base",)) -> Disk:
    images = (an_image(name) for name in chain)
    return replace(a_disk(*images), records=records)


def test_a_vouched_record_gives_an_increment_whatever_came_on_top() -> None:
    disk = vouched(Record(TRACKING, dirty_bytes=3 * MiB), chain=("s2", "s1", "new"))
    decision = decided(disk)
    assert decision.level is DiskLevel.INCREMENTAL
    assert decision.merge == (RecordedIn("node-s2", TRACKING),)
    assert decision.dirty_bytes == 3 * MiB


def test_what_was_done_while_the_machine_was_off_is_vouched_for_by_nobody() -> None:
    """qemu-img merged the point's image into one below, where no bitmap is."""
    record = Record(TRACKING, dirty_bytes=3 * MiB, watched=False)
    assert decided(vouched(record)).level is DiskLevel.INCREMENTAL
    above = decided(vouched(record, chain=("s1", "base")))
    assert above.level is DiskLevel.INCREMENTAL
    gone = reason_for_full(vouched(record, chain=("s2", "s1", "new")))
    assert "left the chain" in gone
    assert "off" in gone


def test_a_vouched_record_is_never_larger_than_the_disk() -> None:
    disk = vouched(Record(TRACKING, dirty_bytes=900 * GiB))
    assert decided(disk).dirty_bytes == 10 * GiB


def test_a_record_that_is_not_vouched_for_is_a_full_with_its_reason() -> None:
    broken = "missing or broken bitmap"
    assert reason_for_full(vouched(Record(TRACKING, broken=broken))) == broken


def test_a_checkpoint_that_nobody_knows_is_a_full() -> None:
    assert "no checkpoint" in reason_for_full(vouched(Record("another")))


def test_bitmaps_do_not_count_where_a_hypervisor_vouches() -> None:
    disk = replace(a_disk(an_image("base", a_bitmap())), records=())
    assert "no checkpoint" in reason_for_full(disk)


def test_a_point_that_began_no_record_is_followed_by_a_full() -> None:
    shelf = a_shelf(replace(stored("base"), bitmap=""))
    decision = decide(vouched(Record("")), Level.AUTO, shelf)
    assert decision.reason == "the last point began no record of changes"


def test_a_disk_that_cannot_be_tracked_says_so() -> None:
    disk = replace(a_raw_disk(a_bitmap()), untracked="libvirt tracks qcow2 alone")
    assert reason_for_full(disk) == "libvirt tracks qcow2 alone"


def test_vouched_records_of_this_repository_go_with_the_new_point() -> None:
    disk = vouched(Record(TRACKING), Record("virtnbdbackup.0"), Record(f"{PREFIX}x"))
    assert stale_bitmaps(disk, SHELF) == (
        ("node-base", TRACKING),
        ("node-base", f"{PREFIX}x"),
    )
    assert stale_bitmaps(disk, SHELF, keep=TRACKING) == (("node-base", f"{PREFIX}x"),)

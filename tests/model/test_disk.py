"""A disk and its chain."""

from dataclasses import replace

from tests.plan.material import a_bitmap, a_disk, an_image
from vmsnap_tui.model.checkpoint import Record
from vmsnap_tui.model.disk import NOT_READ, Disk
from vmsnap_tui.units import GiB


def test_the_first_image_of_the_chain_takes_the_writes() -> None:
    disk = a_disk(an_image("top"), an_image("base", read_only=True))
    assert disk.active.path == "/images/top.qcow2"
    assert disk.virtual_bytes == 10 * GiB


def test_room_is_that_of_the_whole_chain() -> None:
    disk = a_disk(an_image("top"), an_image("middle"), an_image("base"))
    assert disk.allocated_bytes == 6 * GiB


def test_a_drive_without_a_medium_has_no_size() -> None:
    empty = Disk("cd0", "ide0-cd0", (), unfit="no medium")
    assert (empty.virtual_bytes, empty.allocated_bytes) == (0, 0)


def test_a_bitmap_is_found_by_its_whole_name() -> None:
    image = an_image("base", a_bitmap("a"), a_bitmap("ab"))
    found = image.bitmap("ab")
    assert found is not None
    assert found.name == "ab"
    assert image.bitmap("b") is None


def test_a_record_that_may_have_come_since_is_not_known_and_not_lost() -> None:
    known = Record("a", 4096)
    disk = replace(a_disk(an_image("base")), records=(known,))
    assert disk.record("b") is None
    doubted = replace(disk, records_known=False)
    assert doubted.record("a") is known
    assert doubted.record("b") == Record("b", broken=NOT_READ, asked=False)


def test_where_no_hypervisor_vouches_there_is_no_record() -> None:
    disk = replace(a_disk(an_image("base")), records_known=False)
    assert disk.record("a") is None

"""A point, as others read it."""

from tests.plan.material import a_point, stored
from vmsnap_tui.model.point import Consistency, DiskLevel, VerifyLevel
from vmsnap_tui.units import GiB


def test_a_point_is_as_large_as_its_files() -> None:
    assert a_point(stored(), stored("data", "vdb")).stored_bytes == 4 * GiB


def test_a_disk_is_found_by_its_target() -> None:
    point = a_point(stored(), stored("data", "vdb"))
    assert point.disk("vdb") == stored("data", "vdb")
    assert point.disk("vdc") is None


def test_words_that_manifests_keep_do_not_change() -> None:
    assert [*Consistency] == ["crash-consistent", "fs-frozen", "vm-paused", "offline"]
    assert [*DiskLevel] == ["full", "incremental"]


def test_each_level_of_a_check_holds_those_below_it() -> None:
    levels = [VerifyLevel.LISTED, VerifyLevel.STRUCTURE, VerifyLevel.CHECKSUMS]
    assert sorted(VerifyLevel) == levels == [0, 1, 2]

"""The instant: one job a disk, under ids that name the operation."""

from vmsnap_tui.model.instant import GRANULARITY_BYTES, BackupInstant, DiskInstant
from vmsnap_tui.model.point import DiskLevel


def _part(target: str) -> DiskInstant:
    return DiskInstant(target, "/f", "n", DiskLevel.FULL, "b", True, "s", ())


def test_each_disk_has_its_job() -> None:
    instant = BackupInstant("1a2b", (_part("vda"), _part("a:b")))
    assert instant.job_ids == ("vmsnap-1a2b-vda", "vmsnap-1a2b-a_b")
    assert instant.job_id(instant.disks[0]) == "vmsnap-1a2b-vda"


def test_a_granule_is_one_cluster_of_a_target() -> None:
    assert GRANULARITY_BYTES == 64 * 1024

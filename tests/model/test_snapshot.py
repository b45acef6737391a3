"""What a snapshot is made of."""

from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind


def test_disks_that_took_no_part_are_no_kind() -> None:
    disks = (
        SnapshotDisk("vda", SnapshotKind.EXTERNAL, "/srv/a.s1"),
        SnapshotDisk("vdb", SnapshotKind.NONE),
    )
    assert Snapshot("s1", "", "running", disks).kinds == {SnapshotKind.EXTERNAL}
    only_memory = Snapshot("m", "", "running", disks[1:], memory=True)
    assert only_memory.kinds == frozenset()

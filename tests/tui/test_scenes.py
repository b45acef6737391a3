"""What the scenes are made of."""

from vmsnap_tui.tui.scenes import SCENES, WEB, disk, jobs, point, uri
from vmsnap_tui.units import GiB


def test_names_are_given_once() -> None:
    names = [scene.name for scene in SCENES]
    assert len(names) == len(set(names))


def test_a_disk_without_tracking_has_no_bitmap() -> None:
    assert disk("vda", GiB, (("a.raw", 1),), None).active.bitmaps == ()
    tracked = disk("vda", GiB, (("a.qcow2", 1), ("b.qcow2", 2)), 5)
    assert [bool(image.bitmaps) for image in tracked.chain] == [True, False]


def test_the_first_point_is_full_and_the_others_stand_on_it() -> None:
    first, second = point(WEB, 0, {"vda": 1}), point(WEB, 1, {"vda": 1})
    assert first.disks[0].parent is None
    assert second.disks[0].parent is not None
    assert second.disks[0].parent.point == first.id


def test_jobs_are_of_the_machine_with_that_name() -> None:
    assert {view.vm for view in jobs()} == {WEB.key}
    assert uri("a").startswith("qmp:///run/vm/a.qmp")

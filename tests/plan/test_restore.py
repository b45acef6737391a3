"""The plan of a restore: complete files beside what is there, never instead of it."""

from dataclasses import replace

import pytest

from tests.plan.material import EARLIER, a_point, stored
from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.plan.plan import DiskPlan, Estimates, Plan
from vmsnap_tui.plan.requests import RestoreFormat, RestoreRequest
from vmsnap_tui.plan.restore import Ground, StoredPoint, plan_restore
from vmsnap_tui.plan.steps import (
    CheckStored,
    PrepareDirectory,
    PublishFiles,
    RestoreDisk,
)
from vmsnap_tui.units import GiB

POINT = StoredPoint(
    a_point(stored("base"), stored("data", "vdb")),
    "/backup",
    chain_bytes={"vda": 3 * GiB, "vdb": 40 * GiB},
    chain_files={
        "vda": ("/p2/disk-vda.qcow2", "/p1/disk-vda.qcow2"),
        "vdb": ("/p1/b",),
    },
)
GROUND = Ground("/to", frozenset({"other.txt"}), 100 * GiB)


def planned(
    point: StoredPoint = POINT,
    ground: Ground = GROUND,
    *,
    disks: tuple[str, ...] = (),
    format: RestoreFormat = RestoreFormat.QCOW2,  # noqa: A002 - the request's word
) -> Plan:
    request = RestoreRequest(EARLIER, "/to", disks, format)
    return plan_restore(point, request, ground, "1a2b3c4d5e6f")


def with_disk(target: str) -> StoredPoint:
    """A point whose one disk has a name that somebody else chose."""
    disk = stored("base", target)
    return StoredPoint(a_point(disk), "/backup", {target: 1}, {target: ("/f",)})


# What the operator reads


def test_the_plan_reads_as_what_will_be_done() -> None:
    assert planned().lines() == (
        "1. check the sha256 of every file behind vda, vdb",
        "2. prepare /to",
        "3. write vda to /to/vda.qcow2.partial",
        "4. write vdb to /to/vdb.qcow2.partial",
        "5. name them /to/vda.qcow2, /to/vdb.qcow2",
    )


def test_the_plan_answers_what_happens_to_machines_and_files() -> None:
    plan = planned()
    assert plan.title == "restore web-01"
    assert plan.vm == plan.connection == ""
    assert plan.guest_effect == (
        "nothing: no machine takes part, and no file is replaced"
    )
    assert plan.if_it_breaks == (
        "the *.partial files are removed; the point is only ever read"
    )
    assert plan.afterwards == "complete files: /to/vda.qcow2, /to/vdb.qcow2"


def test_each_disk_says_what_is_read_and_what_it_may_take() -> None:
    """A stored chain may be larger than the disk, what is written never."""
    vda, vdb = planned().disks
    assert vda == DiskPlan(
        "vda",
        "full",
        "read through 2 stored files",
        3 * GiB,
        ("/p2/disk-vda.qcow2", "/p1/disk-vda.qcow2"),
    )
    assert vdb.reason == "read through 1 stored file"
    assert vdb.estimated_bytes == 10 * GiB
    assert planned().estimates == Estimates(13 * GiB, 100 * GiB)


# The laws of its order


def test_data_is_checked_before_it_is_read_and_whole_before_it_is_named() -> None:
    plan = planned()
    assert [type(step) for step in plan.steps] == [
        CheckStored,
        PrepareDirectory,
        RestoreDisk,
        RestoreDisk,
        PublishFiles,
    ]
    assert plan.commit_index == 4


def test_what_is_not_whole_is_under_a_partial_name_and_removed_on_the_way_back() -> (
    None
):
    for step in planned().steps:
        if isinstance(step, RestoreDisk):
            assert step.partial.endswith(".partial")
            assert step.undo is not None
            assert step.undo.describe() == f"remove {step.partial}"


def test_chosen_disks_alone_are_restored_in_the_chosen_format() -> None:
    plan = planned(disks=("vdb",), format=RestoreFormat.RAW)
    assert plan.steps[2:] == (
        RestoreDisk(EARLIER, "vdb", "/to/vdb.raw.partial", "raw"),
        PublishFiles((("/to/vdb.raw.partial", "/to/vdb.raw"),)),
    )
    assert plan.steps[0] == CheckStored(EARLIER, ("vdb",))


# What is refused, with the cause, the evidence and the remedy


@pytest.mark.parametrize("taken", ["vda.qcow2", "vdb.qcow2", "vda.qcow2.partial"])
def test_a_name_that_is_taken_is_never_replaced(taken: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        planned(ground=replace(GROUND, names=frozenset({taken})))
    error = caught.value
    assert error.cause == f"/to/{taken} exists, and a restore replaces nothing"
    assert error.remedy == "restore to another directory, or move the file away"


def test_a_file_of_another_format_or_disk_is_not_in_the_way() -> None:
    names = frozenset({"vda.raw", "vda", "vdc.qcow2", "vda.qcow2.bak"})
    assert len(planned(ground=replace(GROUND, names=names)).steps) == 5


@pytest.mark.parametrize(
    "target",
    ["", ".", "..", "../x", "/etc/passwd", "a/b", "-rf", ".hidden", "a b", "vda\n"]
    + ["a\0b", "\x1b[2J", "é", "\u202e", "vda:raw", "json:{}", "x" * 201],
)
def test_a_hostile_name_in_a_point_never_chooses_a_path(target: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        planned(with_disk(target))
    assert caught.value.cause == (
        f"point {EARLIER} has a disk whose name cannot be a file name"
    )
    assert caught.value.evidence.isprintable()
    assert caught.value.remedy


@pytest.mark.parametrize("target", ["vda", "virtio0.disk-1_a", "0", "x" * 200])
def test_the_names_that_qemu_gives_are_taken(target: str) -> None:
    assert planned(with_disk(target)).disks[0].target == target


def test_no_room_is_told_with_both_sizes() -> None:
    needed = 13 * GiB
    planned(ground=replace(GROUND, free_bytes=needed))
    with pytest.raises(PlanRefused) as caught:
        planned(ground=replace(GROUND, free_bytes=needed - 1))
    assert caught.value.cause == "/to has no room for these disks"
    assert caught.value.evidence == (
        f"they may take {needed} bytes (13.0 GiB), free are {needed - 1} (13.0 GiB)"
    )
    assert caught.value.remedy.startswith("make room")


def test_a_disk_that_the_point_does_not_hold_is_not_found() -> None:
    with pytest.raises(NotFound) as caught:
        planned(disks=("vda", "vdz"))
    assert caught.value.cause == f"point {EARLIER} has no disk vdz"
    assert caught.value.evidence == "it has vda, vdb"
    assert caught.value.remedy


def test_a_directory_that_no_journal_can_name_is_refused() -> None:
    """Its bytes are no UTF-8; a plan that cannot be kept cannot be recovered."""
    ground = Ground("/to/\udcff", frozenset(), 100 * GiB)
    with pytest.raises(PlanRefused) as caught:
        planned(ground=ground)
    assert caught.value.cause == "the directory's name is not UTF-8"
    assert caught.value.evidence == r"'/to/\udcff'"
    assert caught.value.remedy

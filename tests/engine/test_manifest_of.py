"""A manifest claims what the run can prove, and nothing beyond."""

from typing import Any

import pytest

from tests.plan.material import POINT
from vmsnap_tui import __version__
from vmsnap_tui.engine.freezing import FreezeReport
from vmsnap_tui.engine.manifest_of import UNPROVED, manifest_of
from vmsnap_tui.model.point import (
    Consistency,
    DiskLevel,
    ExcludedDisk,
    Parent,
    Point,
    StoredDisk,
)
from vmsnap_tui.plan.steps import DraftDisk, WriteManifest
from vmsnap_tui.repository import manifest

SHA256 = "cd" * 32
PARENT = Parent("20261119T083412Z-00000000", "ab" * 32)
STEP = WriteManifest(
    point=POINT,
    seq=8,
    vm_name="web-01",
    vm_uuid="u",
    vm_key="u",
    qemu_version="7.2.22",
    disks=(
        DraftDisk(
            target="vda",
            file="disk-vda.qcow2",
            level=DiskLevel.INCREMENTAL,
            reason="tracked",
            parent=PARENT,
            virtual_bytes=1 << 30,
            bitmap="b",
            source_path="/images/web.qcow2",
            source_format="qcow2",
        ),
    ),
    excluded=(ExcludedDisk("cd0", "CD drive"),),
)
TAKEN: dict[str, Any] = {
    "before_monotonic_s": 10.0,
    "after_monotonic_s": 10.02,
    "at_utc": "2026-11-20T08:34:15.123Z",
    "was_running": True,
}
FROZEN = FreezeReport(
    filesystems=2,
    freeze_sent_s=9.9,
    frozen_s=9.95,
    thaw_sent_s=10.03,
    thawed_s=10.0412345678,
)


def made(
    taken: dict[str, Any] | None = TAKEN,
    *,
    frozen: bool = False,
    report: FreezeReport = FreezeReport(),  # noqa: B008 - frozen, no freeze at all
) -> Point:
    sealed = [{"bytes": 7, "sha256": SHA256}]
    return manifest_of(STEP, taken=taken, sealed=sealed, frozen=frozen, report=report)


def test_a_manifest_says_what_was_planned_and_what_was_sealed() -> None:
    assert made() == Point(
        id=POINT,
        vm_name="web-01",
        vm_uuid="u",
        vm_key="u",
        seq=8,
        created_utc="2026-11-20T08:34:15.123Z",
        consistency=Consistency.CRASH,
        freeze_window_s=None,
        disks=(
            StoredDisk(
                target="vda",
                file="disk-vda.qcow2",
                level=DiskLevel.INCREMENTAL,
                reason="tracked",
                parent=PARENT,
                virtual_bytes=1 << 30,
                bytes=7,
                sha256=SHA256,
                bitmap="b",
                source_path="/images/web.qcow2",
                source_format="qcow2",
            ),
        ),
        excluded=(ExcludedDisk("cd0", "CD drive"),),
        qemu_version="7.2.22",
        tool_version=__version__,
    )


@pytest.mark.parametrize("taken", [TAKEN, None], ids=["known", "instant unknown"])
def test_what_is_made_is_what_the_repository_takes(
    taken: dict[str, Any] | None,
) -> None:
    point = made(taken, frozen=True, report=FROZEN)
    assert manifest.decode(manifest.encode(point)) == point


# Consistency


def test_a_freeze_that_covers_the_instant_is_claimed() -> None:
    point = made(frozen=True, report=FROZEN)
    assert point.consistency is Consistency.FS_FROZEN
    assert point.freeze_window_s == 0.141235
    assert point.warnings == ()


@pytest.mark.parametrize(
    "report",
    [
        FreezeReport(),
        FreezeReport(freeze_sent_s=9.9),
        FreezeReport(freeze_sent_s=9.9, frozen_s=9.95),
        FreezeReport(2, 9.9, 10.01, 10.03, 10.04),
        FreezeReport(2, 9.9, 9.95, 10.01, 10.04),
        FreezeReport(2, 1.0, 1.1, 2.0, 2.1),
    ],
    ids=[
        "the guard told nothing",
        "the agent never said that it had frozen",
        "no thaw was seen",
        "frozen in the middle of the transaction",
        "thawed in the middle of the transaction",
        "the guard's deadline had passed",
    ],
)
def test_a_freeze_that_is_not_proved_is_not_claimed(report: FreezeReport) -> None:
    point = made(frozen=True, report=report)
    assert point.consistency is Consistency.CRASH
    assert point.warnings == (UNPROVED,)


def test_an_instant_whose_clock_was_lost_is_crash_consistent() -> None:
    """The process was killed between the transaction and its record."""
    point = made(None, frozen=True, report=FROZEN)
    assert point.consistency is Consistency.CRASH
    assert point.warnings == (UNPROVED,)
    assert point.created_utc == "2026-11-20T08:34:12.000Z"


def test_a_machine_that_stood_still_is_told_so() -> None:
    assert made(TAKEN | {"was_running": False}).consistency is Consistency.VM_PAUSED


def test_a_machine_of_which_nothing_is_known_is_not_told_to_stand_still() -> None:
    assert made(None).consistency is Consistency.CRASH


def test_without_a_freeze_there_is_no_window() -> None:
    assert made(frozen=False, report=FROZEN).freeze_window_s is None


def test_each_disk_is_sealed_or_there_is_no_manifest() -> None:
    with pytest.raises(ValueError, match="zip"):
        manifest_of(STEP, taken=None, sealed=[], frozen=False, report=FROZEN)

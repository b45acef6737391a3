from dataclasses import replace
from pathlib import Path

import pytest

from vmsnap_tui.backends.libvirt.calls import Seen
from vmsnap_tui.backends.libvirt.ended import Ended, Verdict
from vmsnap_tui.backends.libvirt.failures import LibvirtRefused
from vmsnap_tui.backends.libvirt.job_errors import (
    not_begun,
    require_same_run,
    require_well,
    stopped_by_io_error,
)
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import VmState

PART = DiskInstant(
    target="vda",
    file="/r/tmp/p1/disk-vda.qcow2",
    target_node="t0",
    level=DiskLevel.FULL,
    bitmap="vmsnap-p1",
    persistent=True,
    scratch_bitmap="vmsnap-p1-scratch",
    merge=(),
)
INSTANT = BackupInstant("0123456789ab", (PART,))
SEEN = Seen(run=3, state=VmState.RUNNING, status="running", marked=True)


def test_a_good_end_is_no_error() -> None:
    require_well(Verdict(Ended.WELL, ""), INSTANT)
    require_same_run(SEEN, INSTANT)


def test_no_room_is_told_with_its_place() -> None:
    with pytest.raises(StepFailed, match="no space left for the backup of vda") as told:
        require_well(Verdict(Ended.BADLY, "No space left on device"), INSTANT)
    assert str(Path(PART.file).parent) in told.value.evidence


def test_libvirts_own_reason_is_evidence() -> None:
    with pytest.raises(StepFailed, match="failed") as told:
        require_well(Verdict(Ended.BADLY, "Operation canceled"), INSTANT)
    assert told.value.evidence == "Operation canceled"


def test_what_nobody_can_tell_is_no_success() -> None:
    with pytest.raises(StepFailed, match="nobody can tell") as told:
        require_well(Verdict(Ended.UNKNOWN, "its end was not heard"), INSTANT)
    assert "back up again" in told.value.remedy


def test_another_run_is_told_with_the_mark_that_is_gone() -> None:
    with pytest.raises(StepFailed, match="not the one any more") as told:
        require_same_run(replace(SEEN, marked=False), INSTANT)
    assert "urn:vmsnap-tui:vmsnap-p1-scratch" in told.value.evidence


def test_a_pause_is_told_in_libvirts_words() -> None:
    error = stopped_by_io_error(replace(SEEN, status="paused (I/O error)"))
    assert "paused (I/O error)" in error.evidence


def test_a_refused_file_points_at_who_may_open_it() -> None:
    text = "Could not open '/r/x': Permission denied"
    refused = LibvirtRefused(
        "libvirt refused", evidence=text, remedy="", code=1, message=text
    )
    error = not_begun(refused)
    assert "may not open" in error.cause
    assert "AppArmor" in error.remedy
    other = LibvirtRefused("no", evidence="x", remedy="", code=1, message="x")
    assert not_begun(other) is other

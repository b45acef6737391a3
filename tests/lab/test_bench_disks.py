"""Each measure of disks on tiny ones: the shape of what it tells, never a time."""

from pathlib import Path

import pytest

from vmsnap_tui.lab import bench_disks
from vmsnap_tui.lab.bench_disks import Sizes, on_a_machine
from vmsnap_tui.lab.series import Measured

_TINY = Sizes(rounds=1, disk_mib=8, changed_mib=1)


def _check(measured: Measured, name: str, *figures: str) -> set[str]:
    """The names of its series, each of which has one value that is a time."""
    assert measured.name == name
    assert [figure.name for figure in measured.figures] == list(figures)
    for series in measured.series:
        assert series.unit == "s"
        assert len(series.values) == _TINY.rounds
        assert min(series.values) >= 0
    return {series.name for series in measured.series}


_BACKUP = {
    "vmsnap-tui, copying",
    "vmsnap-tui, sync, check and sha256",
    "vmsnap-tui, the rest",
    "vmsnap-tui, the operation",
    "vmsnap-tui, the process",
    "by hand, copying",
}


@pytest.mark.qemu
async def test_a_full_is_compared_with_one_by_hand(lab_directory: Path) -> None:
    measured = await bench_disks.full(_TINY, lab_directory, on_a_machine)
    assert _check(measured, "full", "ratio of copying") == _BACKUP
    assert measured.figures[0].at_least == bench_disks.LEAST_RATIO


@pytest.mark.qemu
async def test_an_increment_is_compared_with_one_by_hand(lab_directory: Path) -> None:
    measured = await bench_disks.incremental(_TINY, lab_directory, on_a_machine)
    assert _check(measured, "incremental", "ratio of copying") == _BACKUP


@pytest.mark.qemu
async def test_what_is_added_to_idle_disks_is_told(lab_directory: Path) -> None:
    measured = await bench_disks.idle(_TINY, lab_directory, on_a_machine)
    figures = ("added by the operation", "added by the process")
    assert _check(measured, "idle", *figures) == _BACKUP


@pytest.mark.qemu
async def test_a_restore_is_compared_with_qemu_img(lab_directory: Path) -> None:
    measured = await bench_disks.restore(_TINY, lab_directory)
    figures = [f"ratio of converting to {each}" for each in ("raw", "qcow2")]
    assert _check(measured, "restore", *figures) >= {
        "qemu-img convert to raw",
        "vmsnap-tui to raw, converting",
        "vmsnap-tui to qcow2, sha256 of all",
    }
    assert list(lab_directory.glob("restored-*")) == []


@pytest.mark.guest
async def test_a_freeze_window_is_compared_with_the_agents_calls(
    lab_directory: Path,
) -> None:
    measured = await bench_disks.freeze(_TINY, lab_directory)
    assert _check(measured, "freeze", "added to the window") == {
        "vmsnap-tui, window",
        "by hand, window",
        "of it freeze",
        "of it transaction",
        "of it thaw",
    }

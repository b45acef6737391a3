"""Measures over libvirt on tiny disks: the shape of what they tell, never a time."""

from pathlib import Path

import pytest

from vmsnap_tui.lab import bench_disks, bench_libvirt, bench_screens
from vmsnap_tui.lab.bench_disks import Sizes
from vmsnap_tui.lab.bench_libvirt import on_a_domain, two_domains
from vmsnap_tui.lab.monitor import LabFailed

_TINY = Sizes(rounds=1, disk_mib=8, changed_mib=1, watched_s=0.1)


@pytest.mark.libvirt
async def test_backups_of_a_domain_are_compared_with_those_by_hand(
    lab_directory: Path,
) -> None:
    measured = await bench_disks.incremental(_TINY, lab_directory, on_a_domain)
    times = {series.name: series.values for series in measured.series}
    assert times.keys() >= {"vmsnap-tui, copying", "by hand, copying"}
    assert all(len(values) == 1 and values[0] >= 0 for values in times.values())


@pytest.mark.libvirt
async def test_two_domains_are_listed_over_one_connection(lab_directory: Path) -> None:
    async with two_domains(lab_directory) as shown:
        assert len(shown.connect) == 1
        assert shown.names == ("web-01", "db-01")


@pytest.mark.libvirt
async def test_the_ui_on_domains_is_measured(lab_directory: Path) -> None:
    measured = await bench_screens.screen(_TINY, lab_directory, two_domains)
    figures = {figure.name: figure for figure in measured.figures}
    assert figures["memory (RSS)"].value > 1


@pytest.mark.guest
async def test_a_freeze_window_is_compared_with_virshs_calls(
    lab_directory: Path,
) -> None:
    measured = await bench_libvirt.freeze(_TINY, lab_directory)
    assert {series.name for series in measured.series} == {
        "vmsnap-tui, window",
        "by hand, window",
        "of it freeze",
        "of it backup-begin",
        "of it thaw",
    }
    (added,) = measured.figures
    assert added.at_most == bench_disks.FREEZE_AT_MOST_S


async def test_without_libvirt_it_says_what_is_missing(
    lab_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_libvirt, "unavailable", lambda: "not installed: virsh")
    with pytest.raises(LabFailed, match="not installed: virsh"):
        async with bench_libvirt.private_libvirtd(lab_directory):
            pass

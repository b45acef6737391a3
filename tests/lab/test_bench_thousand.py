"""Many domains are measured from outside; the shape, never a time."""

from pathlib import Path

import pytest

from vmsnap_tui.lab import bench_thousand
from vmsnap_tui.lab.bench_disks import Sizes

pytestmark = pytest.mark.libvirt


async def test_the_screen_its_memory_each_key_and_each_read_are_measured(
    lab_directory: Path,
) -> None:
    sizes = Sizes(rounds=1, watched_s=0.1)
    measured = await bench_thousand.thousand(sizes, lab_directory, domains=12)
    budgets = {figure.name: figure.at_most for figure in measured.figures}
    assert budgets == {
        "first useful screen": 0.5,
        "added to a key": 0.005,
        "reading all again": 0.010,
        "memory (RSS)": 80.0,
        "idle": 0.5,
        "idle, to the terminal": None,
    }
    values = {figure.name: figure.value for figure in measured.figures}
    assert values["first useful screen"] > 0
    assert values["memory (RSS)"] > 1


async def test_so_many_domains_are_defined_and_none_started(
    lab_directory: Path,
) -> None:
    async with bench_thousand.defined(lab_directory, 12) as shown:
        assert shown.names == ("vm-0000", "vm-0010")
        assert len(shown.connect) == 1

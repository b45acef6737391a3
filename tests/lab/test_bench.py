"""`./run bench` takes the measures that are named and prints them."""

import json
from pathlib import Path

import pytest

from vmsnap_tui.lab import bench
from vmsnap_tui.lab.bench_disks import Sizes


@pytest.mark.qemu
async def test_a_measure_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its directory, below the one that was named, is gone afterwards."""
    place = tmp_path if len(str(tmp_path)) < 60 else None
    measured = await bench.measure("idle", Sizes(rounds=1), place)
    assert measured.name == "idle"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.qemu
async def test_what_was_named_is_measured_and_printed_as_one_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await bench.main(["--json", "--rounds", "1", "commands"])
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert [each["name"] for each in document["measured"]] == ["commands"]
    assert document["rounds"] == 1
    assert "QEMU" in document["machine"]["qemu"]
    assert printed.err == "bench: commands\n"


@pytest.mark.qemu
async def test_without_json_it_is_tables(capsys: pytest.CaptureFixture[str]) -> None:
    await bench.main(["--rounds", "1", "--disk-mib", "8", "idle"])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("cores ")
    assert rest[1] == "idle: an increment of 2 idle disks"


def test_without_libvirt_its_measures_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bench.measures_here() == tuple(bench.MEASURES)
    monkeypatch.setattr(bench, "unavailable", lambda: "not installed: libvirtd")
    here = ("full", "incremental", "idle", "restore", "freeze", "commands", "screen")
    assert bench.measures_here() == here


async def test_an_unknown_measure_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        await bench.main(["fulll"])
    assert "'fulll': there are full, incremental, idle" in capsys.readouterr().err

"""The images of lab disks are private and stand on each other as asked."""

import json
import os
from pathlib import Path

import pytest

from vmsnap_tui.lab.disks import (
    DiskSpec,
    add_overlay,
    make_disk,
    make_file_system,
    run_tool,
)
from vmsnap_tui.lab.monitor import LabFailed


async def test_a_chain_of_three_stands_on_its_base(tmp_path: Path) -> None:
    disk = await make_disk(DiskSpec("vda", chain_depth=3), tmp_path, None)
    assert [path.name for path in disk.images] == [
        "vda.qcow2",
        "vda.s1.qcow2",
        "vda.s2.qcow2",
    ]
    info = ["qemu-img", "info", "--output=json", "--backing-chain", str(disk.active)]
    found = [image["filename"] for image in json.loads(await run_tool(info))]
    assert found == [str(path) for path in reversed(disk.images)]


async def test_the_base_takes_its_content_from_a_seed(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_bytes(b"\x07" * 65536)
    disk = await make_disk(DiskSpec("vda", "raw"), tmp_path, seed)
    assert disk.active.read_bytes() == seed.read_bytes()


async def test_images_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        disk = await make_disk(DiskSpec("vda", chain_depth=2), tmp_path, None)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in disk.images} == {0o600}


async def test_an_image_that_exists_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.raw"
    mine.write_bytes(b"mine")
    disk = await make_disk(DiskSpec("vda", "raw", path=mine), tmp_path, None)
    assert disk.active == mine
    assert mine.read_bytes() == b"mine"
    grown = await add_overlay(disk, tmp_path / "over.qcow2")
    assert grown.images == (mine, tmp_path / "over.qcow2")


async def test_a_failing_tool_is_quoted() -> None:
    with pytest.raises(LabFailed, match="nowhere"):
        await run_tool(["qemu-img", "info", "/nowhere"])
    with pytest.raises(LabFailed, match="not installed"):
        await run_tool(["/nowhere/tool"])


async def test_a_filled_disk_is_a_sound_file_system(tmp_path: Path) -> None:
    """Its overlays have a size, and none of it lies in what the files stand on."""
    spec = DiskSpec("vda", "qcow2", 2 << 30, chain_depth=3, files_mib=4, stale_mib=2)
    seed = tmp_path / "seed"
    await make_file_system(seed, spec)
    disk = await make_disk(spec, tmp_path, seed)
    assert disk.images[1].stat().st_blocks * 512 > 2 << 20
    whole = tmp_path / "whole"
    await run_tool(["qemu-img", "convert", "-O", "raw", disk.active, whole])
    said = await run_tool(["/sbin/e2fsck", "-f", "-n", whole])
    assert "15/" in said, "lost+found, ten reserved, and four files"

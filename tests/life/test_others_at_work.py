"""Somebody else's bitmaps and jobs on the same disks: theirs stay, ours are right."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartMachine
from tests.life.stranger import GOOD, Stranger, escapes
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import MiB


@pytest.fixture
async def stranger(
    machine: StartMachine, lab_directory: Path
) -> AsyncIterator[Stranger]:
    started = await machine(DiskSpec("vda", size_bytes=8 * MiB), extra_monitor=True)
    found = Stranger(started, lab_directory)
    yield found
    await found.shell.stop()


@pytest.mark.qemu
async def test_bitmaps_of_others_stay(stranger: Stranger) -> None:
    lab, theirs = stranger.machine.lab, []
    await stranger.backup()
    (ours,) = [b["name"] for b in await bitmaps(stranger)]
    prefix = ours.removesuffix(next(iter(stranger.points)))
    for name in (
        "libvirt-1",
        "vmsnap-",
        f"x{ours}",
        ours.upper(),
        "a\x1b[1mb",
        "é" * 500,
    ):
        await lab.execute(
            "block-dirty-bitmap-add", node="vda", name=name, persistent=len(name) < 99
        )
        theirs.append(name)
    await lab.execute("block-dirty-bitmap-disable", node="vda", name="libvirt-1")
    await stranger.machine.qemu_io("vda", "write -P 3 0 1M")
    assert (await stranger.backup())["level"] == "incremental"
    await stranger.machine.qemu_io("vda", "write -P 4 1M 1M")
    assert (await stranger.backup("--level", "full"))["level"] == "full"
    have = {b["name"]: b for b in await bitmaps(stranger)}
    assert set(theirs) < set(have)
    assert len(have) == len(theirs) + 1
    assert [name.startswith(prefix) for name in have].count(True) == 1
    assert have["a\x1b[1mb"]["count"] == 2 * MiB, "they were not cleared either"
    shown = await stranger.command("show", "web-01")
    assert shown.code == 0
    assert escapes(shown.out + shown.err) == []
    await stranger.verify_all()


async def bitmaps(stranger: Stranger) -> list[dict[str, Any]]:
    nodes = await stranger.machine.lab.execute("query-named-block-nodes", flat=True)
    (node,) = [node for node in nodes if node["node-name"] == "vda"]
    found: list[dict[str, Any]] = node.get("dirty-bitmaps", [])
    return found


async def foreign_job(stranger: Stranger, command: str, **how: Any) -> Path:
    """Somebody's job on vda that takes long."""
    target = stranger.directory / "theirs.raw"
    with target.open("wb") as file:
        file.truncate(8 * MiB)
    await stranger.machine.qemu_io("vda", "write -P 7 0 6M")
    lab = stranger.machine.lab
    file_node = {"driver": "file", "filename": str(target)}
    await lab.execute("blockdev-add", driver="raw", node_name="theirs", file=file_node)
    await lab.execute(
        command, job_id="theirs", device="vda", target="theirs", speed=65536, **how
    )
    return target


@pytest.mark.qemu
async def test_a_mirror_of_somebody_is_in_the_way_and_goes_on(
    stranger: Stranger,
) -> None:
    await stranger.backup()
    await foreign_job(stranger, "blockdev-mirror", sync="full")
    done = await stranger.command("backup", "web-01", "--json")
    assert done.code == 4, done
    (error,) = done.told_of("error")
    assert "mirror" in error["cause"] + error["evidence"]
    assert "theirs" in error["evidence"]
    (job,) = await stranger.machine.lab.execute("query-jobs")
    assert job["id"] == "theirs"
    assert job["status"] == "running"
    await stranger.machine.lab.execute("job-cancel", id="theirs")
    await stranger.machine.lab.wait_event(
        "JOB_STATUS_CHANGE", id="theirs", status="null"
    )
    assert (await stranger.backup())["level"] == "incremental"
    await stranger.machine.lab.execute("blockdev-del", node_name="theirs")
    await stranger.verify_all()


@pytest.mark.qemu
async def test_a_backup_of_somebody_goes_on_beside_ours(stranger: Stranger) -> None:
    await stranger.backup()
    await foreign_job(stranger, "blockdev-backup", sync="full")
    now = await stranger.contents()
    done = await stranger.command("backup", "web-01", "--json")
    assert done.code in (*GOOD, 4), done
    if done.code in GOOD:
        stranger.points[done.document["point"]] = now
    else:
        assert "theirs" in done.told_of("error")[0]["evidence"]
    (job,) = await stranger.machine.lab.execute("query-jobs")
    assert job["id"] == "theirs"
    await stranger.machine.lab.execute("job-cancel", id="theirs")
    await stranger.machine.lab.wait_event(
        "JOB_STATUS_CHANGE", id="theirs", status="null"
    )
    await stranger.machine.lab.execute("blockdev-del", node_name="theirs")
    await stranger.backup()
    await stranger.verify_all()

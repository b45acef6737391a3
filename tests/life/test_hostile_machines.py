"""Machines that nobody sane would make, and peers that are none.

Whatever a machine is called and whoever answers at its address, nothing is written
outside of its place, nothing readable by others, and no escape reaches a terminal.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.conftest import StartMachine
from tests.life.bare_qemu import BareQemu
from tests.life.stranger import GOOD, Stranger
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.units import MiB

NAMES = [
    "[bold]web[/bold]",
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines",
    "x" * 5000,
    "../../../etc/cron.d/x",
    "..",
    "-rf",
    "a b'\"$(id)`id`",
    "\u202egnirts\u200b",
    "100%",
    "web,01",
]


def escapes(text: str) -> list[str]:
    """Control characters in human output, but for what ends its lines."""
    return [c for c in text if (ord(c) < 32 and c not in "\n\r\t") or ord(c) == 127]


@pytest.fixture
async def qemu(
    lab_directory: Path,
) -> AsyncIterator[Callable[..., Awaitable[BareQemu]]]:
    """Start QEMU with any options: `await qemu("-name", "x", …)`."""
    started: list[BareQemu] = []

    async def start(*options: str) -> BareQemu:
        bare = BareQemu(lab_directory / f"b{len(started)}", options)
        started.append(bare)
        await bare.start()
        return bare

    yield start
    for bare in started:
        await bare.stop()


@pytest.fixture
async def shell(lab_directory: Path) -> AsyncIterator[Shell]:
    found = Shell(lab_directory)
    yield found
    await found.stop()


@pytest.mark.qemu
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_a_name_is_only_a_name(
    name: str, qemu: Callable[..., Awaitable[BareQemu]], shell: Shell
) -> None:
    bare = await qemu(
        "-name", "guest=" + name.replace(",", ",,"), *BareQemu.disk("vda")
    )
    connect = ["--connect", bare.uri]
    listed = await shell.run(*connect, "list", "--json")
    assert [vm["name"] for vm in listed.document] == [name]
    human = [await shell.run(*connect, verb) for verb in ("list", "doctor")]
    key = listed.document[0]["uuid"]
    words = ["backup", "--", name if name.startswith("-") else key or name]
    human.append(await shell.run(*connect, *words))
    human.append(await shell.run("points"))
    for said in human:
        assert said.code in GOOD, said
        assert escapes(said.out + said.err) == []
    (home,) = (shell.repository / "vms").iterdir()
    assert len(home.name) < 64
    assert list(shell.repository.rglob("*.qcow2"))[0].is_relative_to(home)
    (point,) = (await shell.run("points", "--json")).document
    out = shell.state.parent / "out"
    done = await shell.run("restore", point["point"], "--to", str(out), "--json")
    assert done.code in GOOD, done


@pytest.mark.qemu
async def test_neither_name_nor_uuid_nor_device_ids(
    qemu: Callable[..., Awaitable[BareQemu]], shell: Shell
) -> None:
    disks = [*BareQemu.disk("", "a"), *BareQemu.disk("", "b")]
    bare = await qemu(*disks)
    connect = ["--connect", bare.uri]
    (vm,) = (await shell.run(*connect, "list", "--json")).document
    for level in ("full", "incremental"):
        done = await shell.run(*connect, "backup", vm["name"], "--json")
        assert done.code in GOOD, done
        assert done.document["level"] == level
        assert len({disk["target"] for disk in done.document["disks"]}) == 2
        assert bare.process is not None
        targets = {disk["target"] for disk in done.document["disks"]}
    await bare.stop()
    await bare.start()
    again = await shell.run(*connect, "backup", vm["name"], "--json")
    assert {disk["target"] for disk in again.document["disks"]} == targets
    assert again.document["level"] == "incremental", "the same disks after a restart"


@pytest.mark.qemu
async def test_what_is_no_disk_to_back_up_is_left_out_with_its_reason(
    qemu: Callable[..., Awaitable[BareQemu]], shell: Shell
) -> None:
    cd = ["-drive", "if=none,id=cd,media=cdrom", "-device", "ide-cd,drive=cd,id=cd0"]
    bare = await qemu(*BareQemu.disk("vda"), *BareQemu.disk("ro", options="ro"), *cd)
    connect = ["--connect", bare.uri]
    done = await shell.run(*connect, "backup", bare.name, "--json")
    assert done.code in GOOD, done
    assert [disk["target"] for disk in done.document["disks"]] == ["vda"]
    (home,) = shell.repository.glob("vms/*/points/*")
    manifest = json.loads((home / "manifest.json").read_text())
    excluded = {each["target"]: each["reason"] for each in manifest["excluded"]}
    assert excluded == {"ro": "read-only", "cd0": "no medium"}
    named = await shell.run(*connect, "backup", bare.name, "--disk", "ro", "--json")
    assert named.code == 4
    assert "read-only" in named.told_of("error")[0]["evidence"]


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

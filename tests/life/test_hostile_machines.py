"""Machines that nobody sane would make.

Whatever a machine is called, nothing is written outside of its place, and no escape
reaches a terminal.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.life.bare_qemu import BareQemu
from tests.life.stranger import GOOD, escapes

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

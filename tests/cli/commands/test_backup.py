import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, ended, fill, stop_in_mid_copy
from tests.conftest import StartMachine
from vmsnap_tui.lab.disks import DiskSpec


async def test_a_full_then_an_increment(shell: Shell, machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb"))
    first = await shell.run("backup", "web-01", "--json", machine=web)
    assert first.code == 0
    result = first.document
    assert (result["outcome"], result["level"]) == ("done", "full")
    assert {"operation", "point", "freeze_window_s", "elapsed_s"} <= set(result)
    assert [disk["target"] for disk in result["disks"]] == ["vda", "vdb"]
    assert {"level", "reason", "bytes"} <= set(result["disks"][0])
    assert all("type" in line for line in first.told)
    second = await shell.run("backup", "web-01", "--json", machine=web)
    assert second.document["level"] == "incremental"
    assert second.document["point"] != result["point"]


async def test_chosen_disks_alone(shell: Shell, machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb"))
    said = await shell.run(
        "backup", "web-01", "--exclude", "vda", "--json", machine=web
    )
    assert [disk["target"] for disk in said.document["disks"]] == ["vdb"]
    unknown = await shell.run("backup", "web-01", "--disk", "vdz", machine=web)
    assert unknown.code == 10 and "vda, vdb" in unknown.err


async def test_a_dry_run_prints_the_plan_and_touches_nothing(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    said = await shell.run("backup", "web-01", "--dry-run", "--json", machine=web)
    assert said.code == 0
    plan = said.document
    assert len(plan["commands"]) == len(plan["steps"])
    wire = [line for lines in plan["commands"] for line in lines]
    assert any('"transaction"' in line for line in wire)
    assert all(json.loads(line) for line in wire if line.startswith("{"))
    plain = await shell.run("backup", "web-01", "--dry-run", machine=web)
    assert "1. prepare point" in plain.out and "commands:" in plain.out
    assert not shell.repository.exists()
    assert not list(shell.state.rglob("*.jsonl"))


async def test_ctrl_c_takes_the_backup_back(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await fill(web)
    process = await shell.start(
        "backup", "web-01", "--speed", "64K", "--json", machine=web
    )
    await stop_in_mid_copy(process, signal.SIGINT)
    said = await ended(process)
    assert said.code == 130
    assert said.document["outcome"] == "failed-and-undone"
    assert said.told[-1]["type"] == "error" and said.told[-1]["kind"] == "interrupted"
    assert await web.lab.execute("query-jobs") == []
    assert _points(shell.repository) == []
    again = await shell.run("backup", "web-01", "--json", machine=web)
    assert again.code == 0


async def test_files_are_private_whatever_the_umask(
    shell: Shell, machine: StartMachine
) -> None:
    before = os.umask(0)
    try:
        said = await shell.run("backup", "web-01", machine=await machine())
    finally:
        os.umask(before)
    assert said.code == 0
    for root in (shell.repository, shell.state):
        for path in (root, *root.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def _points(repository: Path) -> list[Path]:
    return list(repository.glob("vms/*/points/*"))


@pytest.mark.guest
async def test_a_quiesced_point_says_so_and_for_how_long(
    shell: Shell, guest_machine: StartMachine
) -> None:
    web = await guest_machine()
    said = await shell.run("backup", "web-01", "--quiesce", "--json", machine=web)
    assert said.code == 0 and said.document["consistency"] == "fs-frozen"
    assert 0 < said.document["freeze_window_s"] < 10
    assert await web.ask_agent("guest-fsfreeze-status") == "thawed"

"""The guard as a process of its own, against a real guest's agent: it always thaws."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.engine.freezing import read_report
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import ask_agent

GUARD = [sys.executable, "-m", "vmsnap_tui.engine.guard"]


async def started(
    machine: Machine, deadline_s: float, report: Path
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *GUARD,
        str(machine.agent_path),
        str(deadline_s),
        str(report),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert (await said(process))["event"] == "ready"
    return process


async def said(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    heard: dict[str, object] = json.loads(await process.stdout.readline())
    return heard


def tell(process: asyncio.subprocess.Process, word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word.encode() + b"\n")


async def status(machine: Machine) -> object:
    return await ask_agent(machine.agent_path, "guest-fsfreeze-status")


@pytest.mark.guest
async def test_the_guest_is_thawed_when_told_and_on_every_way_out(
    guest_machine: StartMachine, tmp_path: Path
) -> None:
    machine = await guest_machine()

    report = tmp_path / "told"
    guard = await started(machine, 10, report)
    tell(guard, "freeze")
    frozen = await said(guard)
    assert frozen["event"] == "frozen"
    assert frozen["filesystems"] == 1
    tell(guard, "thaw")
    assert (await said(guard))["reason"] == "told"
    assert await guard.wait() == 0
    told = read_report(report)
    assert told.covers(told.frozen_s or 0, told.thaw_sent_s or 0)
    assert not told.covers((told.frozen_s or 0) - 1, told.thaw_sent_s or 0)
    assert await status(machine) == "thawed"

    report = tmp_path / "deadline"
    guard = await started(machine, 0.5, report)
    tell(guard, "freeze")
    assert (await said(guard))["event"] == "frozen"
    thawed = await said(guard)
    assert thawed["reason"] == "deadline"
    assert await guard.wait() == 0
    assert await status(machine) == "thawed"

    report = tmp_path / "orphan"
    guard = await started(machine, 60, report)
    tell(guard, "freeze")
    assert (await said(guard))["event"] == "frozen"
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        guard.send_signal(number)
    assert guard.stdin is not None
    guard.stdin.close()
    assert await guard.wait() == 0
    assert read_report(report).reason == "parent gone"
    assert await status(machine) == "thawed"


@pytest.mark.guest
async def test_a_silent_agent_is_given_up_and_no_freeze_is_left_behind(
    guest_machine: StartMachine, tmp_path: Path
) -> None:
    machine = await guest_machine()
    guard = await started(machine, 1, tmp_path / "report")
    await machine.lab.execute("stop")
    tell(guard, "freeze")
    assert (await said(guard))["event"] == "failed"
    await machine.lab.execute("cont")
    assert await guard.wait() == 1
    assert await status(machine) == "thawed"


@pytest.mark.guest
async def test_a_guest_that_somebody_else_froze_is_left_to_them(
    guest_machine: StartMachine, tmp_path: Path
) -> None:
    machine = await guest_machine()
    await ask_agent(machine.agent_path, "guest-fsfreeze-freeze")
    process = await asyncio.create_subprocess_exec(
        *GUARD,
        str(machine.agent_path),
        "10",
        str(tmp_path / "report"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    heard = await said(process)
    assert heard["event"] == "refused"
    assert "somebody else" in str(heard["cause"])
    assert await process.wait() == 1
    assert await status(machine) == "frozen"
    await ask_agent(machine.agent_path, "guest-fsfreeze-thaw")


async def test_no_agent_is_refused_before_anything_is_frozen(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *GUARD,
        str(tmp_path / "absent.sock"),
        "10",
        str(tmp_path / "report"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await said(process))["event"] == "refused"
    assert await process.wait() == 1
    assert not (tmp_path / "report").exists()

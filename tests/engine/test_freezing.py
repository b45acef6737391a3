"""What the parent of a freeze guard sees, and what it may claim from it."""

import asyncio
import gc
import json
import os
import signal
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from tests.engine.rig import Rig
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.engine.freezing import (
    FreezeGuard,
    FreezeReport,
    read_report,
    thaw_directly,
)
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.plan.requests import BackupRequest


def test_a_guard_that_never_froze_reports_nothing(tmp_path: Path) -> None:
    report = read_report(tmp_path / "absent")
    assert report == FreezeReport()
    assert report.window_s is None
    assert not report.may_be_frozen
    assert not report.covers(0, 0)


def test_a_report_that_was_cut_says_that_the_guest_may_be_frozen(
    tmp_path: Path,
) -> None:
    path = tmp_path / "guard"
    lines = [
        json.dumps({"event": "freeze-sent", "at_s": 10.0}),
        json.dumps({"event": "frozen", "at_s": 10.1, "filesystems": 2}),
        '{"event": "thaw-se',
    ]
    path.write_text("\n".join(lines))
    report = read_report(path)
    assert report.may_be_frozen
    assert report.filesystems == 2
    assert report.window_s is None


def test_a_guard_that_was_killed_before_the_answer_may_have_frozen(
    tmp_path: Path,
) -> None:
    path = tmp_path / "guard"
    path.write_text('{"event": "freeze-sent", "at_s": 10.0}\n')
    assert read_report(path).may_be_frozen
    path.write_text(path.read_text() + '{"event": "failed", "cause": "silent"}\n')
    assert not read_report(path).may_be_frozen


@pytest.mark.parametrize(
    ("start_s", "end_s", "covered"),
    [(10.1, 10.2, True), (10.0, 10.2, False), (10.1, 10.31, False)],
)
def test_frozen_is_claimed_only_between_the_agents_answer_and_the_thaw(
    start_s: float, end_s: float, covered: bool
) -> None:
    report = FreezeReport(1, 10.0, 10.1, 10.3, 10.4, "told")
    assert report.covers(start_s, end_s) is covered
    assert report.window_s == pytest.approx(0.4)


@pytest.mark.guest
async def test_a_guest_is_thawed_even_when_its_guard_is_killed(
    guest_machine: StartMachine, tmp_path: Path
) -> None:
    machine = await guest_machine()
    path = tmp_path / "operations" / "guard"
    guard = FreezeGuard(str(machine.agent_path), 30, path)
    await guard.arm()
    assert await guard.freeze() == 1
    assert guard._process is not None
    os.kill(guard._process.pid, signal.SIGKILL)
    report = await guard.thaw()
    assert not report.may_be_frozen
    assert await machine.ask_agent("guest-fsfreeze-status") == "thawed"
    assert await thaw_directly(str(machine.agent_path)) == 0

    path.write_text('{"event": "freeze-sent", "at_s": 10.0}\n')
    await machine.ask_agent("guest-fsfreeze-freeze")
    report = await FreezeGuard(str(machine.agent_path), 30, path).thaw()
    assert not report.may_be_frozen
    assert await machine.ask_agent("guest-fsfreeze-status") == "thawed"


@pytest.mark.guest
async def test_a_run_that_is_dropped_while_the_guest_is_frozen_thaws_it(
    guest_machine: StartMachine, lab_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The UI is closed, or its process ends, just after the freeze."""
    machine = await guest_machine()
    rig = Rig(machine, lab_directory)
    engine = await rig.engine()
    frozen = asyncio.Event()

    async def hang(*_: object) -> None:
        frozen.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(QmpBackend, "start_backup", hang)
    request = BackupRequest(machine.name, quiesce=True, freeze_deadline_s=60)
    handle = engine.start(await engine.plan(request))
    await frozen.wait()
    report = engine.journals.guard_report(handle.operation)
    await rig.close()
    gc.collect()
    async with asyncio.timeout(10):
        while read_report(report).thawed_s is None:
            await machine.lab.execute("query-status")
    assert read_report(report).reason == "parent gone"
    assert await machine.ask_agent("guest-fsfreeze-status") == "thawed"


async def test_thawing_without_an_agent_says_so(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="agent"):
        await thaw_directly(str(tmp_path / "no.sock"))


async def test_arming_without_an_agent_freezes_nothing(tmp_path: Path) -> None:
    guard = FreezeGuard(str(tmp_path / "no.sock"), 5, tmp_path / "report")
    with pytest.raises(StepFailed, match="agent"):
        await guard.arm()
    assert not (tmp_path / "report").exists()

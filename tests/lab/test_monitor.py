"""The lab's own QMP client says what QEMU said."""

from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.lab.monitor import CommandRefused, LabFailed, LabMonitor

pytestmark = pytest.mark.qemu


async def test_a_refusal_carries_qemus_words(machine: StartMachine) -> None:
    web = await machine()
    with pytest.raises(CommandRefused, match="GenericError: .*nothing"):
        await web.lab.execute("blockdev-del", node_name="nothing")


async def test_events_wait_until_they_are_asked_for(machine: StartMachine) -> None:
    web = await machine()
    await web.lab.execute("cont")
    await web.lab.execute("stop")
    await web.lab.execute("query-status")
    assert (await web.lab.wait_event("STOP"))["event"] == "STOP"
    assert [event["event"] for event in web.lab.events] == ["RESUME"]


async def test_events_are_told_apart_by_their_data(machine: StartMachine) -> None:
    web = await machine()
    for name in ("a", "b"):
        await web.lab.execute(
            "block-stream", device="vda", job_id=name, auto_dismiss=False
        )
        await web.lab.wait_event("JOB_STATUS_CHANGE", id=name, status="concluded")
        await web.lab.execute("job-dismiss", id=name)
    await web.lab.wait_event("JOB_STATUS_CHANGE", id="b", status="null")
    await web.lab.wait_event("JOB_STATUS_CHANGE", id="a", status="null")


async def test_a_dead_machine_is_told(machine: StartMachine) -> None:
    web = await machine()
    monitor = await LabMonitor.connect(web.qmp_path)
    await web.kill()
    with pytest.raises(LabFailed, match="went away"):
        await monitor.execute("query-status")
    await monitor.close()


async def test_nobody_at_the_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="cannot be reached"):
        await LabMonitor.connect(tmp_path / "qmp.sock")

"""What is stale, broken or in the way is named, with evidence and remedy."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from tests.engine.rig import Rig
from tests.plan.material import a_bitmap, a_disk, a_vm, an_image
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.doctor import alarms_of, drifts_found
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.ledger import ledger_of
from vmsnap_tui.plan.requests import BackupRequest


class Killed(BaseException):
    """Stands for SIGKILL."""


class Differing(MemoryBackend):
    """Its definition says another chain than its QEMU has."""

    async def read(self) -> tuple[Vm, ...]:
        (vm,) = await super().read()
        first, *others = vm.disks
        differs = replace(first, differs="QEMU has no image /srv/a.qcow2")
        return (replace(vm, disks=(differs, *others)),)


def engine_on(backend: MemoryBackend, directory: Path) -> Engine:
    settings = Settings((backend.uri,), directory / "repo", directory / "state")
    return Engine(settings, lambda uri: backend)


async def kinds(engine: Engine) -> dict[str, str]:
    return {f.kind: f.severity for f in await engine.doctor()}


async def test_a_healthy_machine_has_no_findings(tmp_path: Path) -> None:
    engine = engine_on(MemoryBackend("web-01"), tmp_path)
    await engine.open()
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    assert await engine.doctor() == ()
    await engine.close()


async def test_an_interrupted_operation_is_an_alarm_with_its_command(
    tmp_path: Path,
) -> None:
    backend = MemoryBackend("web-01")

    def kill(name: str) -> None:
        if name == "finalize_jobs":
            raise Killed

    backend.before_effect = kill
    engine = engine_on(backend, tmp_path)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    with pytest.raises(Killed):
        await handle.result()
    await engine.refresh()
    (finding,) = [f for f in await engine.doctor() if f.severity == "alarm"]
    assert finding.kind == "unfinished-operation"
    assert handle.operation in finding.remedy
    assert "conclude all jobs" in finding.evidence
    assert engine.alarms(engine.find_vm("web-01"))
    await engine.close()


async def test_what_no_journal_knows_is_named_and_left_alone(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01", completes=False)
    engine = engine_on(backend, tmp_path)
    await engine.open()
    handle = engine.start(await engine.plan(BackupRequest("web-01")))
    async for event in handle.events():
        if "copy" in str(getattr(event, "text", "")):
            break
    await engine.close()
    for journal in (tmp_path / "state" / "operations").iterdir():
        journal.unlink()
    engine = engine_on(backend, tmp_path)
    await engine.open()
    found = await kinds(engine)
    assert found == {"orphaned-job": "warning", "partial-point": "note"}
    await engine.close()


async def test_bitmaps_broken_by_a_crash_are_no_reason_to_act(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    engine = engine_on(backend, tmp_path)
    await engine.open()
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    backend.restart(crashed=False)
    backend.restart(crashed=True)
    await engine.refresh()
    assert await kinds(engine) == {"inconsistent-bitmap": "note"}
    (finding,) = await engine.doctor()
    assert "`vmsnap-tui repair web-01`" in finding.remedy
    plan = await engine.plan(BackupRequest("web-01"))
    assert "broke when QEMU was killed" in plan.disks[0].reason
    await engine.start(plan).result()
    await engine.refresh()
    assert await engine.doctor() == ()
    await engine.close()


async def test_what_others_made_is_told_once_for_each_maker(tmp_path: Path) -> None:
    """Thirty checkpoints of another tool are one finding, not thirty."""
    image = an_image(
        "active",
        *(a_bitmap(f"virtnbdbackup.{number}") for number in range(30)),
        a_bitmap("one-1-0", inconsistent=True, recording=False),
    )
    found = list(drifts_found(ledger_of(a_vm(a_disk(image)), None)))
    assert sorted(f.kind for f in found) == [
        "foreign",
        "foreign",
        "inconsistent-bitmap",
    ]
    assert any("virtnbdbackup.29" in f.subject for f in found)


async def test_a_graph_that_contradicts_its_definition_is_a_warning(
    tmp_path: Path,
) -> None:
    engine = engine_on(Differing("web-01"), tmp_path)
    await engine.open()
    assert await kinds(engine) == {"definition-differs": "warning"}
    await engine.close()


async def test_a_damaged_point_and_a_dead_connection_are_found(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    engine = engine_on(backend, tmp_path)
    await engine.open()
    done = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    (engine.find_point(done.point).directory / "manifest.json").write_text("{")
    backend.lose_connection()
    await engine.refresh()
    found = await kinds(engine)
    assert found["damaged-point"] == "alarm"
    await engine.close()


async def test_alarms_are_those_of_the_machine(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    engine = engine_on(backend, tmp_path)
    await engine.open()
    vm = engine.find_vm("web-01")
    await engine.close()
    assert alarms_of(vm, ()) == ()
    job = Job("j", "backup", JobStatus.PAUSED, 0, 1, io_status="nospace")
    broken = replace(vm, state=VmState.IO_ERROR, jobs=(job,))
    first, second = alarms_of(broken, ())
    assert "I/O error" in first
    assert "nospace" in second


@pytest.mark.guest
async def test_a_frozen_guest_is_an_alarm_and_can_be_thawed(
    guest_machine: StartMachine, lab_directory: Path
) -> None:
    machine = await guest_machine()
    rig = Rig(machine, lab_directory)
    engine = await rig.engine()
    vm = engine.find_vm(machine.name)
    assert await engine.doctor() == ()
    await machine.ask_agent("guest-fsfreeze-freeze")
    assert await kinds(engine) == {"guest-frozen": "alarm"}
    assert await engine.thaw(vm) == 1
    report = await engine.freeze(vm, 0.3)
    assert report.filesystems == 1
    assert report.reason == "deadline"
    assert await engine.doctor() == ()
    await rig.close()

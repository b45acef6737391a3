"""A run killed at every instant, resumed; a machine killed at every step."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from tests.engine.instants import Instants, Killed, killed_at, points_of, recovered
from tests.engine.rig import Rig
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.units import MiB


@pytest.fixture
def instants(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instants]:
    yield Instants(monkeypatch)


@pytest.fixture
async def rig(machine: StartMachine, lab_directory: Path) -> AsyncIterator[Rig]:
    started = await machine(
        DiskSpec("vda", size_bytes=8 * MiB, chain_depth=2),
        DiskSpec("vdb", "raw", size_bytes=4 * MiB),
    )
    rig = Rig(started, lab_directory)
    await started.qemu_io("vda", "write -P 1 0 1M")
    await started.qemu_io("vdb", "write -P 2 1M 1M")
    yield rig
    await rig.close()


@pytest.mark.qemu
@pytest.mark.timeout(300)
async def test_killed_at_every_instant_and_recovered_loses_nothing(
    rig: Rig, instants: Instants
) -> None:
    first = await rig.backup()
    assert first.outcome is Outcome.DONE, first
    instant, state = 0, {first.point: await rig.contents()}
    while True:
        await rig.machine.qemu_io(
            "vda", f"write -P {instant % 250 + 3} {instant * 64}k 64k"
        )
        await rig.machine.qemu_io(
            "vdb", f"write -P {instant % 250 + 3} {instant * 32}k 4k"
        )
        at_the_instant = await rig.contents()
        if not await killed_at(rig, instants, instant):
            break
        where = instants.names[-1]
        await rig.machine.qemu_io("vda", f"write -P 200 {instant * 64}k 128k")
        result = await recovered(rig)
        if result is not None:
            assert result.outcome in (Outcome.DONE, Outcome.UNDONE), (where, result)
        assert await rig.leftovers() == [], where
        for point in await points_of(rig):
            if point not in state:
                state[point] = at_the_instant
        instant += 1
    assert instant > 50
    assert len(state) > 10, "runs killed late are finished, not thrown away"
    last = await rig.backup()
    state[last.point] = await rig.contents()
    for point, contents in state.items():
        assert await rig.restore(point) == contents, point


STEPS = [
    "PreparePoint",
    "AttachTargets",
    "StartBackup",
    "AwaitJobs",
    "FinalizeJobs",
    "DetachTargets",
    "SealTarget",
    "WriteManifest",
    "CommitPoint",
    "DropBitmaps",
]


@pytest.mark.qemu
@pytest.mark.parametrize("step", STEPS)
async def test_qemu_killed_before_a_step_leaves_whole_points_only(
    rig: Rig, instants: Instants, step: str
) -> None:
    first = await rig.backup()
    before = await rig.contents()
    await rig.machine.qemu_io("vda", "write -P 9 2M 1M")
    at_the_instant = await rig.contents()

    async def kill(name: str) -> None:
        if name == step and rig.machine.running:
            await rig.machine.kill()

    instants.hook = kill
    result = await rig.backup()
    instants.hook = None
    written_out = STEPS.index(step) > STEPS.index("DetachTargets")
    assert result.outcome is (Outcome.DONE if written_out else Outcome.UNDONE), (
        result.error
    )
    await rig.machine.start()
    assert await rig.leftovers() == []
    assert await rig.restore(first.point) == before
    if written_out:
        assert await rig.restore(result.point) == at_the_instant
    after = await rig.backup()
    assert after.outcome is Outcome.DONE
    assert await rig.restore(after.point) == await rig.contents()


@pytest.mark.qemu
async def test_tool_killed_and_qemu_restarted_takes_the_point_back(
    rig: Rig, instants: Instants
) -> None:
    """The nodes are gone with the old QEMU: what it did not write out is not sealed."""
    await rig.backup()
    await rig.machine.qemu_io("vda", "write -P 9 2M 1M")
    engine = await rig.engine()
    plan = await engine.plan(BackupRequest(rig.machine.name))

    async def kill(name: str) -> None:
        if name == "DetachTargets":
            raise Killed

    instants.hook = kill
    with pytest.raises(Killed):
        await engine.start(plan).result()
    instants.hook = None
    await rig.close()
    await rig.machine.kill()
    await rig.machine.start()
    result = await recovered(rig)
    assert result is not None
    assert result.outcome is Outcome.UNDONE
    assert await rig.leftovers() == []
    assert plan.point not in await points_of(rig)
    after = await rig.backup()
    assert await rig.restore(after.point) == await rig.contents()


@pytest.mark.qemu
async def test_cancelled_by_the_operator_takes_everything_back(rig: Rig) -> None:
    await rig.backup()
    await rig.machine.qemu_io("vda", "write -P 9 0 4M")
    engine = await rig.engine()
    request = BackupRequest(rig.machine.name, speed_bytes_per_s=64 * 1024)
    handle = engine.start(await engine.plan(request))
    async for event in handle.events():
        if "copy" in str(getattr(event, "text", "")):
            handle.cancel()
            break
    result = await handle.result()
    await rig.close()
    assert result.outcome is Outcome.UNDONE
    assert result.interrupted
    assert await rig.leftovers() == []
    after = await rig.backup()
    assert after.level == "incremental"
    assert await rig.restore(after.point) == await rig.contents()


@pytest.mark.qemu
async def test_abandoned_run_goes_on_in_qemu_and_is_adopted(rig: Rig) -> None:
    """SSH drops: the process is gone, the job is not; the next one finishes it."""
    await rig.machine.qemu_io("vda", "write -P 9 0 2M")
    contents = await rig.contents()
    engine = await rig.engine()
    request = BackupRequest(rig.machine.name, speed_bytes_per_s=256 * 1024)
    handle = engine.start(await engine.plan(request))
    async for event in handle.events():
        if "copy" in str(getattr(event, "text", "")):
            break
    await rig.close()
    jobs = await rig.machine.lab.execute("query-jobs")
    assert [job["status"] for job in jobs] == ["running"] * 2
    engine = await rig.engine()
    for job in jobs:
        vm = engine.find_vm(rig.machine.name)
        await engine.set_job_speed(vm.key, job["id"], 0)
    result = await engine.recover(handle.operation).result()
    await rig.close()
    assert result.outcome is Outcome.DONE
    assert await rig.restore(result.point) == contents
    assert await rig.leftovers() == []


@pytest.mark.qemu
async def test_two_operators_at_once_the_second_is_told(rig: Rig) -> None:
    engine = await rig.engine()
    request = BackupRequest(rig.machine.name, speed_bytes_per_s=1024 * 1024)
    first = engine.start(await engine.plan(request))
    await asyncio.sleep(0)
    second = engine.start(await engine.plan(request))
    outcomes = await asyncio.gather(
        first.result(), second.result(), return_exceptions=True
    )
    await rig.close()
    names = [type(outcome).__name__ for outcome in outcomes]
    assert sorted(names) in (["Locked", "RunResult"], ["PlanRefused", "RunResult"])

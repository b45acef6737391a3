"""The tool, QEMU or libvirtd killed at every instant of a backup through libvirt.

Whole points only, nothing left after `recover`, and what was tracked still is.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartDomain
from tests.engine.instants import Instants, Killed, killed_at, points_of, recovered
from tests.life.domains import DomainOracle
from vmsnap_tui.backends.libvirt import effects
from vmsnap_tui.engine import executor
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.units import MiB

EVERY = int(os.environ.get("VMSNAP_KILL_EVERY", "1"))
"""1 takes every instant; 2 every other one, for a quick look."""

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

ENDS = ["kill", "terminate"]
DAEMON_ENDS = [
    (step, end)
    for number, step in enumerate(STEPS)
    for end in (ENDS if "VMSNAP_KILL_BOTH_WAYS" in os.environ else [ENDS[number % 2]])
]
"""How libvirtd ends before which step: in turn, or everywhere in both ways."""

pytestmark = pytest.mark.libvirt


@pytest.fixture
def instants(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instants]:
    yield Instants(monkeypatch)


@pytest.fixture
async def oracle(
    domain: StartDomain, lab_directory: Path
) -> AsyncIterator[DomainOracle]:
    """One disk that libvirt tracks, one raw, of which it can keep no record."""
    started = await domain(
        DiskSpec("vda", size_bytes=8 * MiB, chain_depth=2),
        DiskSpec("vdb", "raw", size_bytes=4 * MiB),
    )
    found = DomainOracle(started, lab_directory)
    await started.qemu_io("vda", "write -P 1 0 1M")
    await started.qemu_io("vdb", "write -P 2 1M 1M")
    yield found
    await found.close()


async def write(oracle: DomainOracle, number: int) -> None:
    pattern = number % 250 + 3
    await oracle.machine.qemu_io("vda", f"write -P {pattern} {number % 100 * 64}k 64k")
    await oracle.machine.qemu_io("vdb", f"write -P {pattern} {number % 100 * 32}k 4k")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(4))
async def test_the_tool_killed_at_every_instant_loses_nothing(
    oracle: DomainOracle, instants: Instants, first: int
) -> None:
    """Each of the four takes its quarter of the instants."""
    instant = first * EVERY
    point = (await oracle.backup()).point
    state = {point: await oracle.contents()}
    while True:
        await write(oracle, instant)
        then = await oracle.contents()
        if not await killed_at(oracle, instants, instant):
            break
        where = instants.names[-1]
        await oracle.machine.qemu_io("vda", f"write -P 200 {instant % 99 * 64}k 128k")
        result = await recovered(oracle)
        if result is not None:
            assert result.outcome in (Outcome.DONE, Outcome.UNDONE), (where, result)
        assert await oracle.leftovers() == [], where
        state |= {p: then for p in await points_of(oracle) if p not in state}
        instant += 4 * EVERY
    assert instant > 50
    last = await oracle.backup()
    assert "incremental" in {disk.level for disk in last.disks}, last
    state[last.point] = await oracle.contents()
    assert set(await points_of(oracle)) >= set(state)
    for point, contents in state.items():
        assert await oracle.restore(point) == contents, point


LARGE_BYTES = 96 * MiB
"""So much that a job still runs when its speed is limited, which libvirt can only once
it does."""

Blow = Callable[[], Awaitable[None]]


async def struck(
    oracle: DomainOracle, instants: Instants, step: str, blow: Blow
) -> None:
    """A backup that something befalls before this step; then all is looked at."""
    first = await oracle.backup()
    state = {first.point: await oracle.contents()}
    await write(oracle, 1)
    then = await oracle.contents()
    fallen: list[str] = []

    async def strike(name: str) -> None:
        if name == step and not fallen:
            fallen.append(name)
            await blow()

    instants.hook = strike
    result = await oracle.backup()
    instants.hook = None
    assert fallen, f"there was no step {step}"
    if await oracle.machine.state() not in {"running", "paused"}:
        await oracle.machine.start()
    if result.outcome not in (Outcome.DONE, Outcome.UNDONE):
        again = await recovered(oracle)
        assert again is not None
        assert again.outcome in (Outcome.DONE, Outcome.UNDONE), (result, again)
    assert await oracle.leftovers() == [], result
    state |= {p: then for p in await points_of(oracle) if p not in state}
    written = STEPS.index(step) > STEPS.index("DetachTargets")
    assert len(state) == 2 or not written, "what was written out is kept"
    await write(oracle, 2)
    after = await oracle.backup()
    assert after.outcome is Outcome.DONE, after.error
    state[after.point] = await oracle.contents()
    for point, contents in state.items():
        assert await oracle.restore(point) == contents, point


@pytest.mark.parametrize("step", STEPS)
async def test_qemu_killed_before_a_step_leaves_whole_points_only(
    oracle: DomainOracle, instants: Instants, step: str
) -> None:
    await struck(oracle, instants, step, oracle.machine.kill)


@pytest.mark.parametrize(("step", "how"), DAEMON_ENDS)
async def test_libvirtd_gone_before_a_step_and_back_costs_nothing(
    oracle: DomainOracle, instants: Instants, step: str, how: str
) -> None:
    libvirtd = oracle.machine.libvirtd

    async def blow() -> None:
        await (libvirtd.kill() if how == "kill" else libvirtd.terminate())
        await libvirtd.start()

    await struck(oracle, instants, step, blow)


@pytest.mark.parametrize("step", ["StartBackup", "AwaitJobs", "DetachTargets"])
async def test_tool_killed_and_qemu_started_anew_takes_the_point_back(
    oracle: DomainOracle, instants: Instants, step: str
) -> None:
    """What the old QEMU did not write out is not sealed, and no mark misleads."""
    await oracle.backup()
    await write(oracle, 1)
    engine = await oracle.engine()
    plan = await engine.plan(BackupRequest(oracle.machine.name))

    async def kill(name: str) -> None:
        if name == step:
            raise Killed

    instants.hook = kill
    with pytest.raises(Killed):
        await engine.start(plan).result()
    instants.hook = None
    await oracle.close()
    await oracle.machine.kill()
    await oracle.machine.start()
    result = await recovered(oracle)
    assert result is not None
    assert result.outcome is Outcome.UNDONE
    assert await oracle.leftovers() == []
    assert plan.point not in await points_of(oracle)
    after = await oracle.backup()
    assert await oracle.restore(after.point) == await oracle.contents()


@pytest.mark.parametrize("step", ["StartBackup", "AwaitJobs", "DetachTargets"])
async def test_libvirtd_that_stays_away_leaves_it_unknown_until_it_is_back(
    oracle: DomainOracle,
    instants: Instants,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    monkeypatch.setattr(executor, "RECONNECT_S", 0.5)
    first = await oracle.backup()
    state = {first.point: await oracle.contents()}
    await write(oracle, 1)
    then, libvirtd = await oracle.contents(), oracle.machine.libvirtd

    async def strike(name: str) -> None:
        if name == step and libvirtd.running:
            await libvirtd.kill()

    instants.hook = strike
    result = await oracle.backup()
    instants.hook = None
    assert result.outcome is Outcome.UNKNOWN, result
    await write(oracle, 2)
    await libvirtd.start()
    again = await recovered(oracle)
    assert again is not None
    assert again.outcome in (Outcome.DONE, Outcome.UNDONE), again
    assert await oracle.leftovers() == []
    state |= {p: then for p in await points_of(oracle) if p not in state}
    after = await oracle.backup()
    assert after.outcome is Outcome.DONE, after.error
    state[after.point] = await oracle.contents()
    for point, contents in state.items():
        assert await oracle.restore(point) == contents, point


async def test_a_backup_that_libvirt_lost_track_of_is_ended_and_taken_back(
    domain: StartDomain,
    lab_directory: Path,
    instants: Instants,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libvirtd is killed when QEMU has let go of a job and libvirt not noted it: the
    backup is active for ever, and a bitmap of libvirt's own stays in QEMU."""
    monkeypatch.setattr(effects, "STRAY_S", 0.5)
    machine = await domain(DiskSpec("vda", size_bytes=LARGE_BYTES))
    oracle = DomainOracle(machine, lab_directory)
    first = (await oracle.backup()).point
    await machine.qemu_io("vda", f"write -P 5 0 {LARGE_BYTES}")

    async def lose_track(step: str) -> None:
        if step == "AwaitJobs" and not await concluded(machine):
            await machine.libvirtd.kill()
            (job,) = await machine.execute("query-jobs")
            await machine.execute("block-job-set-speed", device=job["id"], speed=0)
            while not await concluded(machine):
                pass
            await machine.execute("job-dismiss", id=job["id"])
            await machine.libvirtd.start()

    instants.hook = lose_track
    result = await oracle.backup(speed_bytes_per_s=8 * MiB)
    instants.hook = None
    assert result.outcome is Outcome.UNDONE, result
    assert "lost track" in result.error
    assert await oracle.leftovers() == []
    assert await points_of(oracle) == [first]
    after = await oracle.backup()
    assert after.level == "incremental", after.error
    assert await oracle.restore(after.point) == await oracle.contents()
    assert "backup-vda" not in await oracle.bitmaps()


async def concluded(machine: Domain) -> bool:
    jobs = await machine.execute("query-jobs")
    return all(job["status"] == "concluded" for job in jobs)

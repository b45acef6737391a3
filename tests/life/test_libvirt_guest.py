"""A guest that writes to file systems on two disks, frozen by way of libvirt's agent.

Whatever happens between freeze and thaw, the guest writes on.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import cycle
from pathlib import Path

import pytest

from tests.conftest import StartDomain
from tests.engine.instants import Instants
from tests.engine.rig import run
from tests.life.domains import DomainVisitor
from tests.life.small_place import fill, small
from tests.life.stranger import GOOD, strike
from vmsnap_tui.engine.events import Outcome
from vmsnap_tui.engine.freezing import read_report
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.units import KiB, MiB

__all__ = ["small"]

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(300)]


class GuestVisitor(DomainVisitor):
    """Asks the guest's agent through virsh."""

    async def ask(self, command: str, **arguments: object) -> object:
        words = {"execute": command, "arguments": arguments}
        said = await self.virsh(
            "qemu-agent-command", self.machine.name, json.dumps(words)
        )
        return json.loads(said)["return"]

    async def stop_agent(self, for_s: int) -> None:
        """It gets SIGSTOP inside, and goes on by itself."""
        pid = "$(pidof qemu-ga)"
        script = f"kill -STOP {pid}; sleep {for_s}; kill -CONT {pid}"
        await self.ask("guest-exec", path="/bin/sh", arg=["-c", script])
        words = ["qemu-agent-command", self.machine.name, "--timeout", "2"]
        silences = 0
        async with asyncio.timeout(for_s):
            while silences < 2:
                # a busy host is silent once, a stopped agent always
                try:
                    await self.virsh(*words, '{"execute":"guest-ping"}')
                    silences = 0
                except LabFailed:
                    silences += 1

    async def writes(self) -> int:
        stats = await self.machine.execute("query-blockstats")
        return sum(disk["stats"]["wr_operations"] for disk in stats)

    async def goes_on(self) -> None:
        """Thawed, running, and writing."""
        async with asyncio.timeout(60):
            while not await self._thawed():
                pass
            before = await self.writes()
            while await self.writes() < before + 3:
                pass
        assert await self.machine.state() == "running"

    async def _thawed(self) -> bool:
        with contextlib.suppress(LabFailed):
            return await self.ask("guest-fsfreeze-status") == "thawed"
        return False

    async def check_file_systems(self, point: str) -> None:
        out = self.directory / f"out-{point}"
        done = await self.shell.run(
            "restore", point, "--to", str(out), "--format", "raw", "--json", "--yes"
        )
        assert done.code in GOOD, done
        e2fsck = shutil.which("e2fsck", path="/usr/sbin:/sbin:/usr/bin:/bin")
        assert e2fsck is not None
        images = sorted(out.glob("*.raw"))
        assert [path.name for path in images] == ["vda.raw", "vdb.raw"]
        for path in images:
            await run(e2fsck, "-f", "-n", str(path))


@pytest.fixture
async def visitor(
    guest_domain: StartDomain, lab_directory: Path
) -> AsyncIterator[GuestVisitor]:
    disks = [DiskSpec(target, size_bytes=48 * MiB) for target in ("vda", "vdb")]
    machine = await guest_domain(*disks, writes_per_s=20)
    found = GuestVisitor(machine, lab_directory)
    yield found
    await found.shell.stop()


async def test_frozen_points_hold_clean_file_systems_and_the_guest_writes_on(
    visitor: GuestVisitor,
) -> None:
    points = []
    for number in range(3):
        done = await visitor.command("backup", "web-01", "--json", "--quiesce")
        assert done.code in GOOD, done
        document = done.document
        assert document["level"] == ("incremental" if number else "full")
        assert 0 < document["freeze_window_s"] < 5
        points.append(document["point"])
        await visitor.goes_on()
    stored = await visitor.stored()
    assert {stored[p]["consistency"] for p in points} == {"fs-frozen"}
    for point in points:
        await visitor.check_file_systems(point)
    assert await visitor.rig.leftovers() == []


async def test_an_agent_that_stops_is_given_up_and_the_guest_goes_on(
    visitor: GuestVisitor,
) -> None:
    await visitor.stop_agent(for_s=22)
    before = await visitor.writes()
    async with asyncio.timeout(60):
        done = await visitor.command("backup", "web-01", "--json", "--quiesce")
    assert done.code in {4, 5}, done
    (error,) = done.told_of("error")
    assert "agent" in error["cause"] + error["evidence"]
    assert await visitor.writes() > before, "it was never frozen for good"
    await visitor.goes_on()
    assert await visitor.rig.leftovers() == []
    done = await visitor.command("backup", "web-01", "--json", "--quiesce")
    assert done.code in GOOD, done
    await visitor.check_file_systems(done.document["point"])


async def frozen_for(visitor: GuestVisitor, blow: Callable[[], Awaitable[None]]) -> int:
    """Let it befall a backup at several instants around the freeze; how often the
    guest was frozen just then."""
    caught = 0
    for number in range(3):
        process = await visitor.begin("backup", "web-01", "--json", "--quiesce")
        seen = await _until_frozen(process)
        await strike(process, 0, 0.03 * number, blow)
        await visitor.goes_on()
        reports = [read_report(p) for p in _reports(visitor)]
        caught += sum(1 for r in reports if r.reason == "parent gone")
        await visitor.recover()
        await visitor.goes_on()
        assert seen, "it never froze"
        assert await visitor.rig.leftovers() == []
    return caught


async def _until_frozen(process: asyncio.subprocess.Process) -> bool:
    assert process.stderr is not None
    async for line in process.stderr:
        if b"freeze" in line:
            return True
    return False


def _reports(visitor: GuestVisitor) -> list[Path]:
    return list((visitor.shell.state / "operations").glob("*guard*"))


async def test_the_tool_killed_while_the_guest_is_frozen_lets_it_go_on(
    visitor: GuestVisitor,
) -> None:
    async def blow() -> None:
        if visitor.shell.processes[-1].returncode is None:
            visitor.shell.processes[-1].kill()

    assert await frozen_for(visitor, blow) > 0, "not once was it frozen at the blow"
    done = await visitor.command("backup", "web-01", "--json", "--quiesce")
    assert done.code in GOOD, done
    await visitor.check_file_systems(done.document["point"])


async def test_libvirtd_restarted_while_the_guest_is_frozen_lets_it_go_on(
    visitor: GuestVisitor,
) -> None:
    libvirtd = visitor.machine.libvirtd
    ends = cycle([libvirtd.kill, libvirtd.terminate])

    async def blow() -> None:
        await next(ends)()
        await libvirtd.start()

    await frozen_for(visitor, blow)
    done = await visitor.command("backup", "web-01", "--json", "--quiesce")
    assert done.code in GOOD, done
    await visitor.check_file_systems(done.document["point"])


async def test_a_guest_that_stopped_for_a_full_target_goes_on(
    small: Path, visitor: GuestVisitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it overwrites has to be copied first, and there is no room for it."""
    oracle, instants = visitor.rig, Instants(monkeypatch)
    oracle.repository = small / "repository"

    async def fill_up(step: str) -> None:
        if step == "StartBackup":
            fill(small, 128 * KiB)

    instants.hook = fill_up
    failed = await oracle.backup()
    instants.hook = None
    assert failed.outcome is Outcome.UNDONE, failed
    # whichever came first: the job's own write, or one of the guest's that had to wait
    said = failed.error.lower()
    assert "no space left" in said or "i/o error" in said, failed
    await visitor.goes_on()
    assert await oracle.leftovers() == []
    (small / "filler").unlink()
    oracle.repository = None
    done = await visitor.command("backup", "web-01", "--json", "--quiesce")
    assert done.code in GOOD, done
    await visitor.check_file_systems(done.document["point"])

"""How a machine is read: with few commands, and never harmfully."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.machine import Machine as Read
from vmsnap_tui.backends.qmp.machine import require_able
from vmsnap_tui.backends.qmp.session import REPLY_LIMIT_S, Session
from vmsnap_tui.backends.qmp.uri import parse_uri
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.lab.disks import DiskSpec, run_tool
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.vm import Capabilities

pytestmark = pytest.mark.qemu


class Counted(Session):
    """A session that also notes what was asked."""

    asked: Counter[str]

    async def execute(self, command: Command, limit_s: float = REPLY_LIMIT_S) -> object:
        self.asked[command.execute] += 1
        return await super().execute(command, limit_s)


@pytest.fixture
async def sessions() -> AsyncIterator[list[Counted]]:
    opened: list[Counted] = []
    yield opened
    for session in opened:
        await session.close()


async def reader(web: Machine, sessions: list[Counted]) -> tuple[Read, Counter[str]]:
    read = Read(parse_uri(web.connection))
    session = Counted(read.uri, lambda event: None, lambda link: None, read.identify)
    session.asked = Counter()
    read.attach(session)
    sessions.append(session)
    await session.open()
    session.asked.clear()
    return read, session.asked


async def test_reading_again_costs_seven_commands(
    machine: StartMachine, sessions: list[Counted]
) -> None:
    read, asked = await reader(await machine(), sessions)
    await read.read()
    asked.clear()
    await read.read()
    assert set(asked) == {
        "query-status",
        "query-jobs",
        "query-named-block-nodes",
        "x-debug-query-block-graph",
        "query-block",
        "query-blockstats",
        "query-chardev",
    }
    assert asked.total() == 7


async def test_only_harmless_commands_while_a_job_exists_before_qemu_10(
    machine: StartMachine,
    sessions: list[Counted],
    lab_directory: Path,
    qemu_version: tuple[int, int, int],
) -> None:
    web = await machine(DiskSpec("vda"))
    read, asked = await reader(web, sessions)
    file = lab_directory / "t.qcow2"
    await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, "64M"])
    below = {"driver": "file", "filename": str(file)}
    await web.lab.execute("blockdev-add", driver="qcow2", node_name="t", file=below)
    await web.lab.execute(
        "blockdev-backup",
        job_id="j",
        device="vda",
        target="t",
        sync="full",
        auto_finalize=False,
    )
    vm = await read.read()
    await read.disks()
    assert [job.id for job in vm.jobs] == ["j"]
    if qemu_version < (10, 0, 0):
        assert "query-named-block-nodes" not in asked
        assert "x-debug-query-block-graph" not in asked


def test_qemu_that_is_too_old_takes_no_part_in_backups() -> None:
    require_able(Capabilities((7, 2, 0)))
    with pytest.raises(StepFailed, match="too old"):
        require_able(Capabilities((5, 2, 0)))


async def test_readers_wait_while_a_job_is_being_started(
    machine: StartMachine, sessions: list[Counted]
) -> None:
    read, asked = await reader(await machine(), sessions)
    async with read.graph_lock:
        waiting = asyncio.create_task(read.read())
        await read.jobs()
        assert "query-named-block-nodes" not in asked
    await waiting
    assert asked["query-named-block-nodes"] == 1


async def test_old_drives_have_the_same_targets_after_a_restart(
    machine: StartMachine, sessions: list[Counted]
) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb", chain_depth=2), style="drive")
    read, _ = await reader(web, sessions)
    before = await read.read()
    await web.stop()
    await web.start()
    again, _ = await reader(web, sessions)
    after = await again.read()
    assert [disk.target for disk in before.disks] == ["vda", "vdb"]
    assert [disk.target for disk in after.disks] == ["vda", "vdb"]
    assert [[i.path for i in d.chain] for d in after.disks] == [
        [i.path for i in d.chain] for d in before.disks
    ]
    assert before.key == after.key == web.uuid


async def test_device_that_is_plugged_in_later_is_seen(
    machine: StartMachine, sessions: list[Counted], lab_directory: Path
) -> None:
    web = await machine()
    read, _ = await reader(web, sessions)
    file = lab_directory / "more.qcow2"
    await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, "8M"])
    below = {"driver": "file", "filename": str(file)}
    await web.lab.execute("blockdev-add", driver="qcow2", node_name="n", file=below)
    await web.lab.execute("device_add", driver="virtio-blk-pci", id="vdz", drive="n")
    disk = (await read.read()).disk("vdz")
    assert disk is not None
    assert disk.virtual_bytes == 8 << 20

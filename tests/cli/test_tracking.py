from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.cli.tracking import tracking
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.requests import BackupRequest


@pytest.fixture
async def web(machine: StartMachine) -> Machine:
    return await machine()


@pytest.fixture
async def engine(web: Machine, lab_directory: Path) -> AsyncIterator[Engine]:
    found = Engine(
        Settings(
            (web.connection,), lab_directory / "repository", lab_directory / "state"
        )
    )
    await found.open()
    yield found
    await found.close()


async def _vm(engine: Engine) -> Vm:
    await engine.refresh()
    return engine.find_vm("web-01")


async def test_a_disk_without_a_point_is_not_tracked(engine: Engine) -> None:
    vm = await _vm(engine)
    found = tracking(engine, vm, vm.disks[0])
    assert (found.state, found.next_level, found.point) == ("none", "full", None)
    assert found.text == "tracking: the first point of this disk"


async def test_what_was_written_since_the_point_is_told(
    engine: Engine, web: Machine
) -> None:
    plan = await engine.plan(BackupRequest("web-01"))
    result = await engine.start(plan).result()
    await web.qemu_io("vda", "write -P 9 0 64k")
    vm = await _vm(engine)
    found = tracking(engine, vm, vm.disks[0])
    assert (found.state, found.next_level) == ("ok", "incremental")
    assert (found.point, found.dirty_bytes) == (result.point, 65536)
    assert found.text.startswith("Δ 64.0 KiB since 2")


async def test_a_bitmap_that_is_gone_is_said(engine: Engine, web: Machine) -> None:
    await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    vm = await _vm(engine)
    image = vm.disks[0].active
    await web.lab.execute(
        "block-dirty-bitmap-remove", node=image.node, name=image.bitmaps[0].name
    )
    vm = await _vm(engine)
    found = tracking(engine, vm, vm.disks[0])
    assert (found.state, found.next_level) == ("none", "full")
    assert "missing" in found.reason and found.point is not None

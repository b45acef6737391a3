"""A thousand domains on the first screen: names and states first, the rest behind."""

from typing import Any

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.backends.libvirt import reader
from vmsnap_tui.model.vm import VmState

pytestmark = pytest.mark.libvirt


async def test_the_first_glance_at_many_tells_names_and_states_alone(
    domain: StartDomain, sit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MANY", 1)
    web = await domain(name="web-01")
    await domain(name="off-01", off=True)
    seat = await sit(web)
    first = {vm.name: vm for vm in await seat.reader.glance()}
    assert {name: vm.known for name, vm in first.items()} == {
        "web-01": False,
        "off-01": False,
    }
    assert first["web-01"].state is VmState.PAUSED
    assert first["off-01"].state is VmState.OFF
    assert first["web-01"].key == web.uuid
    assert "definitions" not in seat.calls.calls
    await seat.change()
    then = {vm.name: vm for vm in await seat.reader.read()}
    assert all(vm.known and vm.disks for vm in then.values())
    assert all(vm.known for vm in await seat.reader.glance())


async def test_a_read_tells_all_of_many_at_once(
    domain: StartDomain, sit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list on the command line is whole, or not told."""
    monkeypatch.setattr(reader, "MANY", 0)
    seat = await sit(await domain())
    (vm,) = await seat.reader.read()
    assert vm.known
    assert vm.disks

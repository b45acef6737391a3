"""The calls themselves, one by one; what they make together is in test_effects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.backends.libvirt.backups import an_instant, until_idle
from tests.conftest import StartDomain
from vmsnap_tui.backends.libvirt import calls, event_thread
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.model.vm import VmState

pytestmark = pytest.mark.libvirt


@pytest.fixture
async def web(domain: StartDomain) -> Domain:
    return await domain(DiskSpec("vda"))


@pytest.fixture
def connection(web: Domain) -> Iterator[Any]:
    event_thread.start()
    made = libvirt.open(web.connection)
    yield made
    made.close()


async def test_a_look_tells_run_mark_files_and_checkpoint(
    web: Domain, connection: Any, lab_directory: Path
) -> None:
    instant = await an_instant(lab_directory, "p1")
    seen = calls.look(connection, web.uuid, instant)
    assert (seen.run, seen.state) == (1, VmState.PAUSED)
    assert not (seen.marked or seen.busy or seen.checkpoint)
    calls.write_mark(connection, web.uuid, instant)
    assert calls.look(connection, web.uuid, instant).marked
    assert calls.began_s(connection, web.uuid, instant) is None
    taken = calls.begin(connection, web.uuid, instant)
    assert not taken.was_running
    assert taken.before_monotonic_s < taken.after_monotonic_s
    await until_idle(web)
    seen = calls.look(connection, web.uuid, instant)
    assert seen.marked
    assert seen.checkpoint
    assert not seen.busy
    assert calls.began_s(connection, web.uuid, instant) is not None
    assert calls.completed(connection, web.uuid)["success"]
    assert calls.completed(connection, web.uuid)["success"], "it is left for others"
    await web.destroy()
    seen = calls.look(connection, web.uuid, instant)
    assert (seen.run, seen.state, seen.marked) == (None, VmState.OFF, False)
    assert seen.checkpoint


async def test_the_newest_checkpoint_has_no_child(web: Domain, connection: Any) -> None:
    for name in ("one", "two"):
        await web.libvirtd.virsh("checkpoint-create-as", web.name, name)
    assert not calls.is_newest_checkpoint(connection, web.uuid, "one")
    assert calls.is_newest_checkpoint(connection, web.uuid, "two")
    assert not calls.is_newest_checkpoint(connection, web.uuid, "none")


async def test_a_machine_that_is_off_takes_no_backup_and_all_taking_back(
    web: Domain, connection: Any, lab_directory: Path
) -> None:
    instant = await an_instant(lab_directory, "p1")
    await web.libvirtd.virsh("checkpoint-create-as", web.name, "vmsnap-p1")
    await web.destroy()
    with pytest.raises(StepFailed, match="does not run"):
        calls.prepare(connection, web.uuid, instant)
    calls.cancel(connection, web.uuid, instant)
    calls.take_back_checkpoint(connection, web.uuid, "vmsnap-p1", ("vda",))
    calls.remove_mark(connection, web.uuid, "vmsnap-p1-scratch")
    calls.resume(connection, web.uuid)
    assert calls.run_of(connection, web.uuid) is None
    assert calls.drop_checkpoint(connection, web.uuid, "vmsnap-p1", ("vda",)) == ""
    assert not calls.look(connection, web.uuid, instant).checkpoint


async def test_a_disk_that_is_gone_is_no_part_of_a_backup(
    web: Domain, connection: Any, lab_directory: Path
) -> None:
    instant = await an_instant(lab_directory, "p1", "vdx")
    with pytest.raises(StepFailed, match="vdx cannot be backed up") as told:
        calls.prepare(connection, web.uuid, instant)
    assert told.value.evidence == "it is gone"


async def test_a_job_without_a_disk_has_no_speed(web: Domain, connection: Any) -> None:
    with pytest.raises(StepFailed, match="no disk of its own"):
        calls.set_job_speed(connection, web.uuid, "libvirt-save", 1)

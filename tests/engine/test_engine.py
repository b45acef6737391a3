"""The facade: names, refusals and what it gives to fronts."""

from pathlib import Path

import pytest

from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import FleetChanged, Outcome
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import NoConnection, NotFound, PlanRefused, UsageError
from vmsnap_tui.model.point import VerifyLevel
from vmsnap_tui.plan.requests import BackupRequest, Level, RestoreRequest


def engine_of(directory: Path, *backends: MemoryBackend) -> Engine:
    by_uri = {backend.uri: backend for backend in backends}
    settings = Settings(tuple(by_uri), directory / "repo", directory / "state")
    return Engine(settings, by_uri.__getitem__)


async def test_a_machine_is_found_by_name_uuid_and_connection(tmp_path: Path) -> None:
    web, db = MemoryBackend("web-01"), MemoryBackend("db-01")
    engine = engine_of(tmp_path, web, db)
    await engine.open()
    for name in ("web-01", web.uuid, f"{web.uri}/web-01"):
        assert engine.find_vm(name).uuid == web.uuid
    with pytest.raises(NotFound, match="web-01, db-01"):
        engine.find_vm("mail-01")
    db.lose_connection()
    await engine.refresh()
    with pytest.raises(NotFound):
        engine.find_vm("mail-01")
    await engine.close()


async def test_a_name_that_two_machines_have_is_not_guessed(tmp_path: Path) -> None:
    first, second = MemoryBackend("web-01"), MemoryBackend("web-01")
    second.uri, second.uuid = "memory:other", "11111111-2222-3333-4444-555555555555"
    engine = engine_of(tmp_path, first, second)
    await engine.open()
    with pytest.raises(UsageError, match="2 machines"):
        engine.find_vm("web-01")
    assert engine.find_vm("memory:other/web-01").uuid == second.uuid
    await engine.close()


async def test_a_machine_behind_a_dead_connection_is_not_called_unknown(
    tmp_path: Path,
) -> None:
    socket = tmp_path / "no.sock"
    settings = Settings((f"qmp://{socket}",), tmp_path / "repo", tmp_path / "state")
    engine = Engine(settings)
    await engine.open()
    with pytest.raises(NoConnection):
        engine.find_vm("web-01")
    await engine.close()


async def test_a_backup_can_be_verified_and_restored(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, MemoryBackend("web-01"))
    await engine.open()
    done = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    found = await engine.verify(done.point[:20], VerifyLevel.CHECKSUMS)
    assert found.ok
    vm = engine.find_vm("web-01")
    last = engine.last_point(vm)
    assert last is not None
    assert last.verified == found
    request = RestoreRequest(done.point, str(tmp_path / "out"))
    restored = await engine.start(await engine.plan(request)).result()
    assert restored.outcome is Outcome.DONE
    assert [Path(d.file).name for d in restored.disks] == ["vda.qcow2", "vdb.qcow2"]
    assert all(Path(d.file).stat().st_mode & 0o777 == 0o600 for d in restored.disks)
    with pytest.raises(PlanRefused, match="exists"):
        await engine.plan(request)
    await engine.close()


async def test_a_definition_is_kept_checked_and_restored(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01", definition="config.xml")
    engine = engine_of(tmp_path, backend)
    await engine.open()
    done = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
    (kept,) = (tmp_path / "repo").glob("vms/*/points/*/config.xml")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (await engine.verify(done.point, VerifyLevel.LISTED)).ok
    out = tmp_path / "out"
    plan = await engine.plan(RestoreRequest(done.point, str(out)))
    assert (await engine.start(plan).result()).outcome is Outcome.DONE
    assert (out / "config.xml").read_bytes() == await backend.definition(backend.uuid)
    assert (out / "config.xml").stat().st_mode & 0o777 == 0o600

    one = RestoreRequest(done.point, str(tmp_path / "one"), disks=("vda",))
    assert (await engine.start(await engine.plan(one)).result()).outcome is Outcome.DONE
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["vda.qcow2"]

    kept.write_bytes(b"<machine>another</machine>")
    assert not (await engine.verify(done.point, VerifyLevel.LISTED)).ok
    again = RestoreRequest(done.point, str(tmp_path / "again"))
    result = await engine.start(await engine.plan(again)).result()
    assert result.outcome is Outcome.UNDONE
    assert "definition" in result.error
    assert list((tmp_path / "again").iterdir()) == []
    await engine.close()


async def test_planning_changes_nothing(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, MemoryBackend("web-01"))
    await engine.open()
    plan = await engine.plan(BackupRequest("web-01"))
    commands = engine.commands(plan)
    assert len(commands) == len(plan.steps)
    assert not (tmp_path / "repo").exists()
    assert not (tmp_path / "state").exists()
    with pytest.raises(PlanRefused, match="incremental"):
        await engine.plan(BackupRequest("web-01", level=Level.INCREMENTAL))
    await engine.close()


async def test_a_second_repository_does_not_disturb_the_first(tmp_path: Path) -> None:
    backend = MemoryBackend("web-01")
    for name in ("a", "b", "a", "b"):
        engine = engine_of(tmp_path / name, backend)
        await engine.open()
        done = await engine.start(await engine.plan(BackupRequest("web-01"))).result()
        assert done.outcome is Outcome.DONE
        await engine.close()
    assert done.level == "incremental"


async def test_a_listener_hears_the_fleet_first(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, MemoryBackend("web-01"))
    await engine.open()
    async for event in engine.events():
        assert isinstance(event, FleetChanged)
        assert event.connections[0].vms[0].name == "web-01"
        break
    await engine.close()

"""Points, alarms and interrupted operations as they are on disk."""

from pathlib import Path

from vmsnap_tui.tui.records import read_records
from vmsnap_tui.tui.scenes import CACHE, DB, INTERRUPTED, WEB
from vmsnap_tui.tui.still import still_app


async def test_points_are_by_machine_and_in_order(tmp_path: Path) -> None:
    app = still_app(INTERRUPTED, tmp_path)
    records = await read_records(app.engine)
    assert [s.point.seq for s in records.points[WEB.key]] == [1, 2, 3]
    assert set(records.points) == {WEB.key, DB.key, CACHE.key}
    assert records.problem == ""


async def test_what_was_interrupted_is_told(tmp_path: Path) -> None:
    app = still_app(INTERRUPTED, tmp_path)
    [left] = (await read_records(app.engine)).unfinished
    assert left.vm_name == "web-01"
    assert not left.alive
    assert "copy" in left.will


async def test_a_repository_that_is_none_is_a_problem_not_a_crash(
    tmp_path: Path,
) -> None:
    app = still_app(INTERRUPTED, tmp_path)
    marker = tmp_path / "repository" / "vmsnap-tui.json"
    marker.write_text("{}")
    records = await read_records(app.engine)
    assert records.problem
    assert records.points == {}

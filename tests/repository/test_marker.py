import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.repository.repository import Repository

MARKER = "vmsnap-tui.json"


def _change(path: Path, **change: Any) -> None:
    document = json.loads((path / MARKER).read_text()) | change
    (path / MARKER).write_text(json.dumps(document))


def test_a_directory_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as failure:
        Repository.open(tmp_path / "none")
    assert failure.value.remedy
    assert not (tmp_path / "none").exists()


def test_an_empty_directory_is_no_repository_until_one_is_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(NotFound):
        Repository.open(tmp_path)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".vmsnap-new-0011223344556677").touch()
    assert Repository.open(tmp_path, create=True).id == Repository.open(tmp_path).id


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "photo.jpg").touch()
    for create in (False, True):
        with pytest.raises(PlanRefused, match="mounted"):
            Repository.open(tmp_path, create=create)
    assert not (tmp_path / MARKER).exists()


def test_creating_twice_opens_the_first(tmp_path: Path) -> None:
    first = Repository.open(tmp_path / "r", create=True)
    assert Repository.open(tmp_path / "r", create=True).id == first.id


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_directory_that_others_may_write_to_is_refused(
    tmp_path: Path, mode: int
) -> None:
    repository = Repository.open(tmp_path / "r", create=True)
    repository.path.chmod(mode)
    with pytest.raises(PlanRefused, match="chmod 700"):
        Repository.open(tmp_path / "r")


@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_an_empty_directory_of_ours_is_made_private(tmp_path: Path, mode: int) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r").chmod(mode)
    with pytest.raises(NotFound):
        Repository.open(tmp_path / "r")
    Repository.open(tmp_path / "r", create=True)
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o700


def test_a_link_is_refused(tmp_path: Path) -> None:
    Repository.open(tmp_path / "r", create=True)
    (tmp_path / "link").symlink_to("r")
    (tmp_path / "dangling").symlink_to("none")
    for name in ("link", "dangling"):
        for create in (False, True):
            with pytest.raises(PlanRefused, match="symbolic link"):
                Repository.open(tmp_path / name, create=create)
    assert not (tmp_path / "none").exists()


def test_someone_elses_directory_is_refused(tmp_path: Path) -> None:
    """As root the directory is given away; else root's own /proc stands for it."""
    repository = Repository.open(tmp_path / "r", create=True)
    if os.geteuid() == 0:
        os.chown(repository.path, 12345, 12345)
        with pytest.raises(PlanRefused, match="someone else"):
            Repository.open(repository.path)
        return
    with pytest.raises(PlanRefused):
        Repository.open(Path("/proc"))


def test_a_newer_repository_says_which_reader_it_needs(tmp_path: Path) -> None:
    path = Repository.open(tmp_path / "r", create=True).path
    _change(path, format=7, min_reader=5)
    with pytest.raises(PlanRefused, match="reader 5"):
        Repository.open(path)


@pytest.mark.parametrize("change", [{"min_writer": 2}, {"features": ["dedup"]}])
def test_a_repository_for_newer_writers_is_only_read(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = Repository.open(tmp_path / "r", create=True).path
    _change(path, **change)
    repository = Repository.open(path)
    assert repository.listing() == ()
    with repository.lock(shared=True), pytest.raises(PlanRefused, match="upgrade"):
        repository.create_partial("20261120T083412Z-1a2b3c4d")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b"\xff", b"x" * 70000, b'{"format":"1"}']
)
def test_a_marker_that_cannot_be_read_is_refused(tmp_path: Path, data: bytes) -> None:
    path = Repository.open(tmp_path / "r", create=True).path
    (path / MARKER).write_bytes(data)
    with pytest.raises(PlanRefused, match="marker"):
        Repository.open(path)
    with pytest.raises(PlanRefused, match="marker"):
        Repository.open(path, create=True)


def test_a_marker_that_is_a_link_is_refused(tmp_path: Path) -> None:
    path = Repository.open(tmp_path / "r", create=True).path
    (path / MARKER).rename(tmp_path / "elsewhere")
    (path / MARKER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlanRefused):
        Repository.open(path)


def test_the_marker_holds_what_the_format_says(tmp_path: Path) -> None:
    repository = Repository.open(tmp_path / "r", create=True)
    document = json.loads((repository.path / MARKER).read_text())
    assert document.pop("created_utc").endswith("Z")
    assert document == {
        "format": 1,
        "id": repository.id,
        "min_reader": 1,
        "min_writer": 1,
        "features": [],
    }
    assert stat.S_IMODE((repository.path / MARKER).stat().st_mode) == 0o600

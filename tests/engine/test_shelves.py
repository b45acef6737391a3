"""What a real repository and a real directory hold, as plans see it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plan.material import a_disk, an_image
from tests.repository.material import a_vm, an_id, store
from vmsnap_tui.engine.shelves import (
    NEW_REPOSITORY_PREFIX,
    empty_shelf,
    free_bytes,
    ground_of,
    nearest_existing,
    shelf_of,
    stored_point,
)
from vmsnap_tui.errors import DamagedPoint, PlanRefused
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.repository.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    path = tmp_path / "repository"
    path.mkdir(mode=0o700)
    return Repository.open(path, create=True)


VM = replace(
    a_vm(), disks=(a_disk(an_image("base")), a_disk(an_image("data"), target="vdb"))
)


def disk_at(path: str, target: str = "vda") -> Disk:
    return a_disk(replace(an_image("x"), path=path), target=target)


# The repository


def test_an_empty_repository_is_an_empty_shelf(repository: Repository) -> None:
    shelf = shelf_of(repository, VM)
    assert shelf.path == str(repository.path)
    assert shelf.bitmap_prefix == repository.bitmap_prefix
    assert shelf.next_seq == 1
    assert (shelf.newest, shelf.depth, shelf.broken) == ({}, {}, {})
    assert shelf.free_bytes > 0


def test_the_newest_point_of_each_disk_is_on_the_shelf(repository: Repository) -> None:
    store(repository, VM, 1, target="vda")
    store(repository, VM, 2, target="vdb")
    store(repository, VM, 3, parent=1, target="vda")
    shelf = shelf_of(repository, VM)
    assert {t: p.id for t, p in shelf.newest.items()} == {
        "vda": an_id(3),
        "vdb": an_id(2),
    }
    assert shelf.depth == {"vda": 2, "vdb": 1}
    assert shelf.next_seq == 4


def test_a_point_whose_parent_is_damaged_is_not_on_the_shelf(
    repository: Repository,
) -> None:
    full = store(repository, VM, 1)
    store(repository, VM, 2, parent=1)
    (full / "disk-vda.qcow2").unlink()
    shelf = shelf_of(repository, VM)
    assert shelf.newest == {}
    assert shelf.next_seq == 3


def test_points_of_other_machines_are_not_on_the_shelf(repository: Repository) -> None:
    other = a_vm("web-01", uuid="ffffffff-6b0e-4e4b-9e0f-0123456789ab")
    store(repository, other, 1)
    assert shelf_of(repository, VM).newest == {}


def test_a_disk_on_the_repository_s_file_system_is_told(
    repository: Repository, tmp_path: Path
) -> None:
    here = tmp_path / "vda.qcow2"
    here.touch()
    disks = (
        disk_at(str(here)),
        disk_at("/proc/self/status", "other-file-system"),
        disk_at("nbd://127.0.0.1:1/x", "no-file"),
        disk_at('json:{"driver":"nbd"}', "no-file-either"),
        disk_at("/nowhere/x", "gone"),
        disk_at("a\0b", "hostile"),
        Disk("cd0", "cd", (), unfit="no medium"),
    )
    vm = replace(VM, disks=disks)
    assert shelf_of(repository, vm).same_file_system == {"vda"}
    assert empty_shelf(tmp_path / "new", vm).same_file_system == {"vda"}


def test_a_repository_that_is_yet_to_be_made_is_an_empty_shelf(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet"
    shelf = empty_shelf(path, VM)
    assert shelf.path == str(path)
    assert shelf.bitmap_prefix == NEW_REPOSITORY_PREFIX
    assert (shelf.next_seq, shelf.newest) == (1, {})
    assert shelf.free_bytes > 0
    assert not path.parent.exists()


# A point to restore


def test_a_stored_point_knows_what_a_restore_reads(repository: Repository) -> None:
    store(repository, VM, 1, data=b"x" * 100)
    store(repository, VM, 2, parent=1, data=b"y" * 30)
    found = stored_point(repository, repository.find(an_id(2)))
    assert found.point.id == an_id(2)
    assert found.repository == str(repository.path)
    assert found.chain_bytes == {"vda": 130}
    directory = repository.find(an_id(2)).directory.parent
    assert found.chain_files == {
        "vda": tuple(f"{directory}/{an_id(n)}/disk-vda.qcow2" for n in (2, 1))
    }


def test_a_point_that_lacks_a_file_cannot_be_planned_with(
    repository: Repository,
) -> None:
    full = store(repository, VM, 1)
    store(repository, VM, 2, parent=1)
    (full / "disk-vda.qcow2").unlink()
    with pytest.raises(DamagedPoint):
        stored_point(repository, repository.find(an_id(2)))


# A directory to restore to


def test_a_directory_is_seen_with_all_names_in_it(tmp_path: Path) -> None:
    (tmp_path / "vda.qcow2").touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "dangling").symlink_to("/nowhere")
    ground = ground_of(tmp_path)
    assert ground.directory == str(tmp_path)
    assert ground.names == {"vda.qcow2", ".hidden", "dangling"}
    assert ground.free_bytes == pytest.approx(free_bytes(tmp_path), rel=0.05)


def test_a_directory_that_is_not_there_yet_has_the_room_of_the_one_above(
    tmp_path: Path,
) -> None:
    ground = ground_of(tmp_path / "a" / "b")
    assert ground.names == frozenset()
    assert ground.free_bytes > 0
    assert not (tmp_path / "a").exists()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(PlanRefused) as caught:
        ground_of(file)
    assert caught.value.cause == f"{file} is not a directory"
    assert caught.value.remedy


def test_a_directory_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads all, so the refusal is the system's only in name here."""

    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(PlanRefused) as caught:
        ground_of(tmp_path)
    assert caught.value.cause == f"{tmp_path} cannot be read"
    assert "Permission denied" in caught.value.evidence
    assert caught.value.remedy


@pytest.mark.parametrize("below", ["", "a/b"])
def test_the_nearest_directory_that_exists(tmp_path: Path, below: str) -> None:
    assert nearest_existing(tmp_path / below) == tmp_path
    assert nearest_existing(Path("not/there")) == Path()
    assert free_bytes(tmp_path) <= os.statvfs(tmp_path).f_blocks * 2**20

import os
from pathlib import Path

import pytest

from tests.repository.material import a_disk, a_point, a_vm, an_id, store
from vmsnap_tui.errors import DamagedPoint, NotFound
from vmsnap_tui.model.point import Parent
from vmsnap_tui.repository.chain import MAX_DEPTH
from vmsnap_tui.repository.layout import MANIFEST
from vmsnap_tui.repository.manifest import encode
from vmsnap_tui.repository.repository import Repository


@pytest.fixture
def three(repository: Repository) -> tuple[Path, Path, Path]:
    """The directories of a full and two increments on it."""
    return (
        store(repository, a_vm(), 1),
        store(repository, a_vm(), 2, parent=1),
        store(repository, a_vm(), 3, parent=2),
    )


def _walk(repository: Repository, number: int = 3) -> list[str]:
    files = repository.chain(repository.find(an_id(number)), "vda")
    return [file.point_id for file in files]


def _assert_broken(repository: Repository, reason: str, number: int = 3) -> None:
    with pytest.raises(DamagedPoint, match=reason):
        _walk(repository, number)


def _replace_parent(directory: Path, number: int, parent: Parent) -> None:
    """A manifest that is sound in itself and names another parent."""
    disk = a_disk((directory / "disk-vda.qcow2").read_bytes(), parent=parent)
    point = a_point(number, a_vm(), (disk,))
    (directory / MANIFEST).write_bytes(encode(point))


def test_a_chain_is_told_from_the_point_to_its_full(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    files = repository.chain(repository.find(an_id(3)), "vda")
    assert [file.point_id for file in files] == [an_id(3), an_id(2), an_id(1)]
    assert [file.path.parent for file in files] == list(reversed(three))
    assert files[-1].disk.parent is None


def test_a_disk_the_point_does_not_hold_is_not_found(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    with pytest.raises(NotFound):
        repository.chain(repository.find(an_id(3)), "vdz")


def test_a_missing_parent_breaks_what_stands_on_it_and_nothing_else(
    repository: Repository, three: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    three[1].rename(tmp_path / "gone")
    _assert_broken(repository, f"parent {an_id(2)} is missing")
    assert _walk(repository, 1) == [an_id(1)]
    newest = repository.newest(a_vm(), "vda")
    assert newest is not None
    assert newest.point.id == an_id(1)


def test_a_damaged_parent_breaks_what_stands_on_it(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    (three[0] / MANIFEST).write_bytes(b"{}")
    _assert_broken(repository, f"parent {an_id(1)} is damaged")


@pytest.mark.parametrize("content", [b"", b"short", b"longer than it was before"])
def test_a_file_of_another_size_is_found(
    repository: Repository, three: tuple[Path, Path, Path], content: bytes
) -> None:
    (three[0] / "disk-vda.qcow2").write_bytes(content)
    _assert_broken(repository, f"has {len(content)} bytes")


def test_a_parent_that_is_another_file_of_the_same_name_is_found(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    _replace_parent(three[1], 2, Parent(an_id(1), "0" * 64))
    _assert_broken(repository, f"parent {an_id(1)} is not the file recorded")


def test_swapped_points_are_found(
    repository: Repository, three: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    three[0].rename(tmp_path / "swap")
    three[1].rename(three[0])
    (tmp_path / "swap").rename(three[1])
    _assert_broken(repository, "its manifest is the one of")


def test_a_loop_is_found(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    top = repository.find(an_id(3)).point.disk("vda")
    assert top is not None
    _replace_parent(three[0], 1, Parent(an_id(3), top.sha256))
    with pytest.raises(DamagedPoint):
        _walk(repository)


def test_a_point_that_stands_on_itself_is_found(
    repository: Repository, three: tuple[Path, Path, Path]
) -> None:
    own = repository.find(an_id(2)).point.disk("vda")
    assert own is not None
    _replace_parent(three[1], 2, Parent(an_id(2), own.sha256))
    _assert_broken(repository, "comes back", 2)


def test_a_parent_that_is_not_older_is_found(repository: Repository) -> None:
    store(repository, a_vm(), 1, seq=7)
    store(repository, a_vm(), 2, parent=1, seq=7)
    _assert_broken(repository, "is not older", 2)


def test_links_fifos_and_directories_are_not_images(
    repository: Repository, three: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    image = three[1] / "disk-vda.qcow2"
    image.rename(tmp_path / "image")
    _assert_broken(repository, "is missing")
    image.symlink_to(tmp_path / "image")
    _assert_broken(repository, "cannot be opened")
    image.unlink()
    os.mkfifo(image)
    _assert_broken(repository, "cannot be opened")
    image.unlink()
    image.mkdir()
    _assert_broken(repository, "cannot be opened")


def test_a_chain_without_end_is_refused(repository: Repository) -> None:
    for number in range(1, MAX_DEPTH + 2):
        store(repository, a_vm(), number, parent=number - 1 or None)
    assert len(_walk(repository, MAX_DEPTH)) == MAX_DEPTH
    _assert_broken(repository, "longer than", MAX_DEPTH + 1)


def test_each_disk_has_its_own_chain(repository: Repository) -> None:
    store(repository, a_vm(), 1)
    store(repository, a_vm(), 2, target="vdb")
    store(repository, a_vm(), 3, parent=2, target="vdb")
    files = repository.chain(repository.find(an_id(3)), "vdb")
    assert [file.point_id for file in files] == [an_id(3), an_id(2)]
    newest = repository.newest(a_vm(), "vda")
    assert newest is not None
    assert newest.point.id == an_id(1)

import hashlib
import os
from pathlib import Path

import pytest

from tests.images.material import an_image
from tests.repository.material import UUID, a_point, a_vm, an_id
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.images.checker import StoredImageChecker
from vmsnap_tui.model.point import (
    DiskLevel,
    Parent,
    StoredDisk,
    Verification,
    VerifyLevel,
)
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.verify import verify

MIB = 1024 * 1024


def _nothing(done_bytes: int, total_bytes: int, what: str) -> None:
    """Progress that no test looks at."""


def _store(repository: Repository, number: int, parent: int | None = None) -> Path:
    """A committed point of one real qcow2 image of 8 MiB."""
    vm = a_vm()
    stands_on, backing = None, ""
    if parent is not None:
        below = repository.find(an_id(parent)).point.disks[0]
        stands_on = Parent(an_id(parent), below.sha256)
        backing = repository.relative_backing(vm, an_id(parent), below.file)
    repository.create_partial(an_id(number))
    path = repository.create_disk_file(an_id(number), "disk-vda.qcow2")
    an_image(path, "8M", (f"write -P {number} 0 2M",), backing)
    data = path.read_bytes()
    disk = StoredDisk(
        target="vda",
        file=path.name,
        level=DiskLevel.INCREMENTAL if stands_on else DiskLevel.FULL,
        reason="",
        parent=stands_on,
        virtual_bytes=8 * MIB,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        bitmap=f"vmsnap-{UUID[:8]}",
        source_path="/images/web.qcow2",
        source_format="qcow2",
    )
    repository.write_manifest(an_id(number), vm, a_point(number, vm, (disk,)))
    repository.commit(an_id(number), vm)
    return repository.find(an_id(number)).directory / path.name


@pytest.fixture
def images(repository: Repository) -> tuple[Path, Path]:
    """The files of a full and of an increment on it."""
    return _store(repository, 1), _store(repository, 2, parent=1)


async def _verified(repository: Repository, level: VerifyLevel) -> Verification:
    stored = repository.find(an_id(2))
    return await verify(repository, stored, level, _nothing, StoredImageChecker())


@pytest.mark.parametrize("level", list(VerifyLevel))
async def test_a_sound_chain_is_found_sound_and_left_as_it_is(
    repository: Repository, images: tuple[Path, Path], level: VerifyLevel
) -> None:
    before = {p: p.stat().st_mtime_ns for p in repository.path.rglob("*")}
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in images]
    result = await _verified(repository, level)
    assert (result.ok, result.level, result.findings) == (True, level, ())
    assert {p: p.stat().st_mtime_ns for p in repository.path.rglob("*")} == before
    assert [hashlib.sha256(p.read_bytes()).digest() for p in images] == digests
    repository.record_verification(repository.find(an_id(2)), result)
    assert repository.find(an_id(2)).verified == result


async def test_a_flipped_bit_of_data_is_found_by_checksums_alone(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    data = bytearray(images[0].read_bytes())
    data[-100] ^= 1
    images[0].write_bytes(data)
    assert (await _verified(repository, VerifyLevel.STRUCTURE)).ok
    result = await _verified(repository, VerifyLevel.CHECKSUMS)
    assert not result.ok
    assert len(result.findings) == 1
    assert f"{an_id(1)}/disk-vda.qcow2" in result.findings[0]


async def test_a_truncated_image_is_found_at_every_level(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    os.truncate(images[0], images[0].stat().st_size - 65536)
    for level in VerifyLevel:
        assert not (await _verified(repository, level)).ok


async def test_a_hole_where_data_was_cut_and_grown_again_is_found(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    size = images[1].stat().st_size
    os.truncate(images[1], MIB)
    os.truncate(images[1], size)
    assert (await _verified(repository, VerifyLevel.LISTED)).ok
    assert not (await _verified(repository, VerifyLevel.CHECKSUMS)).ok


async def test_files_swapped_between_points_are_found(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    full, increment = images[0].read_bytes(), images[1].read_bytes()
    assert len(full) == len(increment)
    images[0].write_bytes(increment)
    images[1].write_bytes(full)
    structure = await _verified(repository, VerifyLevel.STRUCTURE)
    assert "another backing file" in "".join(structure.findings)
    checksums = await _verified(repository, VerifyLevel.CHECKSUMS)
    assert sum("SHA-256" in finding for finding in checksums.findings) == 2


async def test_a_missing_full_is_a_finding_and_not_an_error(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    images[0].unlink()
    for level in VerifyLevel:
        result = await _verified(repository, level)
        assert result.findings == ("disk vda: disk-vda.qcow2 is missing",)


async def test_progress_runs_to_the_whole_chain_and_never_back(
    repository: Repository, images: tuple[Path, Path]
) -> None:
    seen: list[tuple[int, int]] = []
    await verify(
        repository,
        repository.find(an_id(2)),
        VerifyLevel.CHECKSUMS,
        lambda done, total, _: seen.append((done, total)),
        StoredImageChecker(),
    )
    total = sum(path.stat().st_size for path in images)
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


async def test_a_missing_qemu_img_is_an_error_and_no_verdict(
    repository: Repository,
    images: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(repository.path))
    with pytest.raises(VmsnapError) as failure:
        await _verified(repository, VerifyLevel.STRUCTURE)
    assert "install" in failure.value.remedy

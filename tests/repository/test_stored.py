import hashlib
import os
from dataclasses import replace

import pytest

from tests.repository.material import a_vm, an_id, store
from vmsnap_tui.errors import DamagedPoint, NotFound
from vmsnap_tui.model.point import StoredDefinition
from vmsnap_tui.repository.layout import MANIFEST
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import (
    DamagedEntry,
    StoredPoint,
    read_definition,
    read_entry,
    read_point,
)


def test_a_sound_point_is_read_with_its_directory(repository: Repository) -> None:
    directory = store(repository, a_vm(), 1)
    entry = read_entry(directory, "shown name")
    assert isinstance(entry, StoredPoint)
    assert entry.directory == directory
    assert entry.point.id == an_id(1)
    assert entry.verified is None


def test_a_damaged_one_tells_its_reason_and_its_sequence(
    repository: Repository,
) -> None:
    directory = store(repository, a_vm(), 1, seq=5)
    path = directory / MANIFEST
    path.write_bytes(path.read_bytes().replace(b"fs-frozen", b"fs-frozed"))
    entry = read_entry(directory, "shown name")
    assert isinstance(entry, DamagedEntry)
    assert (entry.id, entry.vm_name, entry.seq) == (an_id(1), "shown name", 5)
    assert "digest" in entry.reason


@pytest.mark.parametrize("kind", ["missing", "empty", "link", "fifo", "directory"])
def test_a_manifest_that_is_no_plain_file_is_damage(
    repository: Repository, kind: str
) -> None:
    directory = store(repository, a_vm(), 1)
    path = directory / MANIFEST
    path.rename(directory / "other")
    match kind:
        case "empty":
            path.touch()
        case "link":
            path.symlink_to("other")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
    with pytest.raises(DamagedPoint) as failure:
        read_point(directory)
    assert failure.value.evidence
    assert isinstance(read_entry(directory, ""), DamagedEntry)


def test_a_definition_is_read_only_as_it_was_written(repository: Repository) -> None:
    data = b"<domain/>"
    kept = StoredDefinition("config.xml", len(data), hashlib.sha256(data).hexdigest())
    plain = read_point(store(repository, a_vm(), 1))
    with pytest.raises(NotFound):
        read_definition(plain)
    stored = replace(plain, point=replace(plain.point, definition=kept))
    with pytest.raises(DamagedPoint, match="definition") as missing:
        read_definition(stored)
    assert "cannot be read" in missing.value.evidence
    (stored.directory / "config.xml").write_bytes(data)
    assert read_definition(stored) == data
    (stored.directory / "config.xml").write_bytes(b"<domain>")
    with pytest.raises(DamagedPoint) as changed:
        read_definition(stored)
    assert "SHA-256" in changed.value.evidence

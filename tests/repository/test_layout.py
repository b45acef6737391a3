import os
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repository.material import a_vm
from vmsnap_tui.errors import UsageError
from vmsnap_tui.repository import layout


def test_an_id_is_in_utc_whatever_the_zone() -> None:
    at = datetime(2026, 11, 20, 10, 34, 12, tzinfo=timezone(timedelta(hours=2)))
    assert layout.new_point_id(at, "1a2b3c4d") == "20261120T083412Z-1a2b3c4d"


@pytest.mark.parametrize(
    "random_hex", ["", "1a2b3c4", "1A2B3C4D", "1a2b3c4g", "../../.."]
)
def test_an_id_needs_eight_hex_digits(random_hex: str) -> None:
    with pytest.raises(ValueError, match="hex"):
        layout.new_point_id(datetime(2026, 11, 20, tzinfo=UTC), random_hex)


def test_an_id_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        layout.new_point_id(datetime(2026, 11, 20), "1a2b3c4d")


@given(st.text())
def test_any_target_becomes_one_plain_file_name(target: str) -> None:
    name = layout.disk_file_name(target)
    assert layout.is_file_name(name)
    assert len(name) < 80


@given(st.text(), st.text())
def test_different_targets_have_different_files(one: str, other: str) -> None:
    same = layout.disk_file_name(one) == layout.disk_file_name(other)
    assert same == (one == other)


@given(st.text())
def test_any_name_of_a_vm_becomes_one_directory(name: str) -> None:
    assert layout.is_vm_directory(a_vm(name).directory_name)


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "/a", "a\n", "a\0", "é", "a" * 201, "a b", "\uff41"]
)
def test_only_plain_names_stand_in_a_manifest(name: str) -> None:
    assert not layout.is_file_name(name)
    with pytest.raises(ValueError, match="not a name"):
        layout.relative_backing("20261120T083412Z-1a2b3c4d", name)


@pytest.mark.parametrize(
    "name", ["", "..", "20261120T083412Z-1a2b3c4d\n", "٢0261120T083412Z-1a2b3c4d"]
)
def test_only_ids_are_ids(name: str) -> None:
    assert not layout.is_point_id(name)
    with pytest.raises(UsageError):
        layout.checked_point_id(name)


def test_links_fifos_and_directories_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "directory", "fifo", "none"):
        with pytest.raises(OSError):
            os.close(layout.open_regular(tmp_path / name))
    descriptor = layout.open_regular(tmp_path / "file")
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)
    os.close(descriptor)


def test_a_file_larger_than_its_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert layout.read_limited(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger"):
        layout.read_limited(tmp_path / "file", 4)

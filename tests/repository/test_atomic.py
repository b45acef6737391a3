import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmsnap_tui.errors import StepFailed
from vmsnap_tui.repository.atomic import (
    create_private_file,
    explained,
    fsync_path,
    make_private_dir,
    rename_durably,
    write_new,
)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_modes_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_private_dir(tmp_path / "d")
        write_new(tmp_path / "d" / "f", b"x")
        create_private_file(tmp_path / "d" / "g")
    finally:
        os.umask(before)
    assert _mode(tmp_path / "d") == 0o700
    assert _mode(tmp_path / "d" / "f") == 0o600
    assert _mode(tmp_path / "d" / "g") == 0o600


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_new(path, b"old")
    with path.open("rb") as reader:
        write_new(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_way_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"kept")
    (tmp_path / "f").symlink_to(tmp_path / "outside")
    write_new(tmp_path / "f", b"new")
    assert (tmp_path / "outside").read_bytes() == b"kept"
    assert not (tmp_path / "f").is_symlink()
    (tmp_path / "g").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_private_file(tmp_path / "g")
    with pytest.raises(OSError, match="symbolic links"):
        fsync_path(tmp_path / "g")


def test_a_directory_of_ours_may_exist_and_a_link_may_not(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "d")
    make_private_dir(tmp_path / "d")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(NotADirectoryError):
            make_private_dir(tmp_path / name)


_FULL = """
import resource, sys
from pathlib import Path
from vmsnap_tui.repository.atomic import write_new
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
write_new(Path(sys.argv[1]), b"x" * 11)
"""


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "f"
    write_new(path, b"old")
    command = [sys.executable, "-c", _FULL, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_rename_across_directories_moves_the_whole(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_private_dir(tmp_path / name)
    write_new(tmp_path / "a" / "f", b"x")
    rename_durably(tmp_path / "a" / "f", tmp_path / "b" / "f")
    assert (tmp_path / "b" / "f").read_bytes() == b"x"
    assert not (tmp_path / "a" / "f").exists()


def _calls(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The order of fsync and rename, with what each was done to, as they happen."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append(f"fsync {'directory' if path.is_dir() else 'file'} {path.name}")
        fsync(descriptor)

    def recorded_rename(src: str | Path, dst: str | Path) -> None:
        calls.append(f"rename {Path(dst).name}")
        rename(src, dst)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    work()
    return calls


def test_data_is_on_disk_before_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_private_dir(tmp_path / "d")
    calls = _calls(lambda: write_new(tmp_path / "d" / "f", b"x"), monkeypatch)
    assert calls[0].startswith("fsync file .vmsnap-new-")
    assert calls[1:] == ["rename f", "fsync directory d"]


def test_both_directories_are_on_disk_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "a/f"):
        make_private_dir(tmp_path / name)
    calls = _calls(
        lambda: rename_durably(tmp_path / "a" / "f", tmp_path / "b" / "f"), monkeypatch
    )
    assert calls == ["rename f", "fsync directory b", "fsync directory a"]


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free space"), (errno.EROFS, "read-only")]
)
def test_a_failure_says_cause_evidence_and_remedy(number: int, remedy: str) -> None:
    with pytest.raises(StepFailed) as failure, explained("the manifest is not there"):
        raise OSError(number, os.strerror(number), "/r/manifest.json")
    assert failure.value.cause == "the manifest is not there"
    assert "/r/manifest.json" in failure.value.evidence
    assert remedy in failure.value.remedy


def test_a_directory_is_made_below_a_link_that_the_operator_uses(
    tmp_path: Path,
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    make_private_dir(tmp_path / "link" / "repository")
    write_new(tmp_path / "link" / "file", b"whole")
    assert (tmp_path / "disk" / "repository").is_dir()
    assert (tmp_path / "disk" / "file").read_bytes() == b"whole"

"""KVM is used where a guest came up with it, and nowhere else."""

from pathlib import Path

import pytest

from vmsnap_tui.lab.accelerator import accelerator
from vmsnap_tui.lab.guest import GuestFiles, cache_directory, guest_files


async def test_without_kvm_nothing_is_tried(tmp_path: Path) -> None:
    nothing = GuestFiles(tmp_path / "kernel", tmp_path / "initramfs")
    assert await accelerator(nothing, tmp_path / "kvm") == "tcg"


@pytest.mark.guest
async def test_a_kvm_that_does_not_boot_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMSNAP_LAB_CACHE", str(tmp_path))
    (tmp_path / "kvm").touch()
    nothing = GuestFiles(tmp_path / "kernel", tmp_path / "initramfs")
    assert await accelerator(nothing, tmp_path / "kvm") == "tcg"
    (answer,) = tmp_path.glob("kvm-*")
    assert answer.read_text() == "no"


@pytest.mark.guest
async def test_the_answer_is_kept() -> None:
    files = await guest_files()
    assert isinstance(files, GuestFiles)
    first = await accelerator(files)
    before = {path: path.stat().st_mtime_ns for path in cache_directory().iterdir()}
    assert await accelerator(files) == first
    after = {path: path.stat().st_mtime_ns for path in cache_directory().iterdir()}
    assert before == after

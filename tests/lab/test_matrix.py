"""An unpacked QEMU is run by its own loader, from wherever the directory lies."""

import shlex
import subprocess
from pathlib import Path

import pytest

from vmsnap_tui.lab import matrix
from vmsnap_tui.lab.matrix import is_whole, wrapper_script
from vmsnap_tui.lab.monitor import LabFailed


def _unpacked(root: Path) -> Path:
    library = root / "usr" / "lib" / "x86_64-linux-gnu"
    library.mkdir(parents=True)
    (root / "usr" / "bin").mkdir()
    loader = library / "ld-linux-x86-64.so.2"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$QEMU_MODULE_DIR" "$@"\n')
    loader.chmod(0o755)
    (library / "libc.so.6").touch()
    for tool in ("qemu-system-x86_64", "qemu-img"):
        (root / "usr" / "bin" / tool).touch()
    return root


def test_the_wrapper_calls_the_loader_with_the_tool(tmp_path: Path) -> None:
    root = _unpacked(tmp_path / "a b")
    wrapper = tmp_path / "qemu-img"
    wrapper.write_text(wrapper_script("qemu-img", root, root))
    said = subprocess.run(
        ["sh", wrapper, "info", "x y"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    library = f"{root}/usr/lib/x86_64-linux-gnu"
    assert said == [
        *(f"{library}/qemu", "--library-path", library, "--argv0", "qemu-img"),
        *(f"{root}/usr/bin/qemu-img", "info", "x y"),
    ]


def test_an_emulator_finds_its_own_firmware(tmp_path: Path) -> None:
    root = _unpacked(tmp_path / "root")
    script = wrapper_script("qemu-system-x86_64", Path("/final"), root)
    words = shlex.split(script.splitlines()[-1])
    assert words[words.index("-L") + 1] == "/final/usr/share/qemu"


def test_packages_without_the_tool_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="qemu-img"):
        wrapper_script("qemu-img", tmp_path, tmp_path)


def test_a_tree_of_other_packages_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "_PACKAGES", ("qemu", "libvirt"))
    assert not is_whole(tmp_path)
    (tmp_path / "packages").write_text("qemu")
    assert not is_whole(tmp_path)
    (tmp_path / "packages").write_text("qemu\nlibvirt")
    assert is_whole(tmp_path)

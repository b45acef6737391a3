"""Where a libvirt is taken to be."""

import socket
from pathlib import Path

import pytest

from vmsnap_tui.backends.libvirt.discover import discover


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    return made


@pytest.mark.parametrize("name", ["libvirt-sock", "virtqemud-sock"])
def test_the_systems_socket_is_the_systems_libvirt(tmp_path: Path, name: str) -> None:
    with _listen(tmp_path / "run" / name):
        found = discover(tmp_path / "run", {}, installed=True)
    assert found == ("qemu:///system",)


def test_without_a_socket_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "libvirt-sock").touch()
    assert discover(tmp_path, {}, installed=True) == ()


def test_without_the_binding_there_is_none(tmp_path: Path) -> None:
    with _listen(tmp_path / "libvirt-sock"):
        assert discover(tmp_path, {}, installed=False) == ()

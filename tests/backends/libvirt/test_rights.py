"""A user without rights is told which, and how to get them."""

import getpass
import grp
import os
from pathlib import Path

import libvirt
import pytest

from vmsnap_tui.backends.libvirt.rights import missing_right
from vmsnap_tui.backends.libvirt.uri import parse_uri


def _error(message: str, code: int = 38, number: int = 13) -> libvirt.libvirtError:
    """As the binding makes it of what libvirt's library left behind."""
    error = libvirt.libvirtError(message)
    error.err = (code, 7, message, 2, "", None, None, number, 0)
    return error


def _refused(path: Path) -> libvirt.libvirtError:
    return _error(f"Failed to connect socket to '{path}': Permission denied")


def test_polkit_wants_the_right_to_manage() -> None:
    said = missing_right(
        _error(
            "authentication unavailable: no polkit agent available to authenticate"
            " action 'org.libvirt.unix.manage'",
            code=94,
        ),
        parse_uri("qemu:///system"),
    ).sentence
    assert said.startswith("read-only: the right org.libvirt.unix.manage is missing")
    assert "no polkit agent" in said
    assert "usermod -aG libvirt" in said


def test_a_socket_of_a_group_names_owner_group_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "libvirt-sock"
    path.touch(0o660)
    path.chmod(0o660)
    group = grp.getgrgid(os.getegid()).gr_name
    said = missing_right(_refused(path), parse_uri("qemu:///system")).sentence
    assert f"belongs to {getpass.getuser()}:{group} with mode 0660" in said
    assert f"usermod -aG {group} USER" in said


def test_a_socket_of_its_owner_alone_wants_another_configuration(
    tmp_path: Path,
) -> None:
    path = tmp_path / "libvirt-sock"
    path.touch()
    path.chmod(0o700)
    said = missing_right(_refused(path), parse_uri("qemu:///system")).sentence
    assert "mode 0700; set unix_sock_group" in said


def test_a_socket_that_cannot_be_seen_is_told_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "libvirt-sock"
    said = missing_right(_refused(path), parse_uri("qemu:///system")).sentence
    assert "may not be reached (No such file or directory)" in said


@pytest.mark.parametrize("owner", [2**30 + 17])
def test_owners_without_a_name_are_told_by_number(tmp_path: Path, owner: int) -> None:
    if os.geteuid() != 0:
        return
    path = tmp_path / "libvirt-sock"
    path.touch()
    os.chown(path, owner, owner)
    said = missing_right(_refused(path), parse_uri("qemu:///system")).sentence
    assert f"belongs to {owner}:{owner}" in said

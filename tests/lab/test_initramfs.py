"""The archive that the kernel unpacks is a right cpio archive."""

import stat
import subprocess
from pathlib import Path

from vmsnap_tui.lab.initramfs import INIT, READY, Archive


def test_cpio_reads_what_was_written(tmp_path: Path) -> None:
    archive = Archive()
    archive.file("etc/deep/file", b"content", 0o640)
    archive.file("init", b"#!/bin/sh\n")
    archive.link("bin/sh", "busybox")
    written = archive.finished()
    subprocess.run(
        ["busybox", "cpio", "-i", "-d"], input=written, cwd=tmp_path, check=True
    )
    assert (tmp_path / "etc" / "deep" / "file").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "init").stat().st_mode) == 0o755
    assert (tmp_path / "bin" / "sh").readlink() == Path("busybox")


def test_a_device_node_needs_no_root() -> None:
    archive = Archive()
    archive.character_device("dev/console", 5, 1)
    written = archive.finished()
    listed = subprocess.run(
        ["busybox", "cpio", "-t", "-v"], input=written, capture_output=True, check=True
    ).stdout.decode()
    assert "crw-------" in listed
    head = written[written.index(b"dev/console") - 110 :]
    assert [int(head[at : at + 8], 16) for at in (78, 86)] == [5, 1]


def test_init_is_a_script_that_a_shell_takes() -> None:
    subprocess.run(["busybox", "sh", "-n"], input=INIT.encode(), check=True)
    assert READY in INIT

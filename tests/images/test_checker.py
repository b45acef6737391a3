import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.images.material import an_empty_file, an_image, tool
from vmsnap_tui.images.checker import StoredImageChecker

MIB = 1024 * 1024


@pytest.fixture
def checker() -> StoredImageChecker:
    return StoredImageChecker()


async def test_a_sound_image_has_no_findings(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    full = an_image(tmp_path / "full.qcow2", "8M", ("write -P 1 0 1M",))
    top = an_image(tmp_path / "top.qcow2", "8M", ("write -P 2 0 1M",), "full.qcow2")
    assert await checker.check_structure(full, 8 * MIB) == []
    assert await checker.check_structure(top, 8 * MIB, "full.qcow2") == []


async def test_another_backing_name_is_a_finding(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    top = an_image(tmp_path / "top.qcow2", "8M", (), "/etc/shadow")
    for expected in (None, "full.qcow2"):
        findings = await checker.check_structure(top, 8 * MIB, expected)
        assert "/etc/shadow" in "".join(findings)


async def test_another_backing_format_is_a_finding(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    path = an_empty_file(tmp_path / "x.qcow2")
    options = ("-b", "full", "-F", "raw")
    tool("qemu-img", "create", "-q", "-u", "-f", "qcow2", *options, str(path), "8M")
    findings = await checker.check_structure(path, 8 * MIB, "full")
    assert findings == ["its backing format is 'raw'"]


async def test_another_virtual_size_is_a_finding(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    path = an_image(tmp_path / "x.qcow2")
    findings = await checker.check_structure(path, 9 * MIB)
    assert findings == [f"its virtual size is {8 * MIB}, not {9 * MIB}"]


async def test_an_external_data_file_is_a_finding_and_not_opened(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    path, data = tmp_path / "x.qcow2", tmp_path / "data"
    options = f"data_file={data}"
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(path), "8M")
    data.unlink()
    os.mkfifo(data)
    findings = await checker.check_structure(path, 8 * MIB)
    assert findings == ["it keeps its data in another file"]


@pytest.mark.parametrize("damage", ["truncated", "metadata", "empty", "text"])
async def test_a_damaged_image_is_a_finding_and_stays_as_it_is(
    tmp_path: Path, checker: StoredImageChecker, damage: str
) -> None:
    path = an_image(tmp_path / "x.qcow2", "8M", ("write -P 7 0 4M",))
    data = bytearray(path.read_bytes())
    match damage:
        case "truncated":
            data = data[: 2 * MIB]
        case "metadata":
            l1_offset = struct.unpack_from(">Q", data, 40)[0]
            l2_offset = struct.unpack_from(">Q", data, l1_offset)[0] & (2**56 - 1)
            struct.pack_into(">Q", data, l2_offset, 1 << 63 | 1 << 45)
        case "empty":
            data = bytearray()
        case "text":
            data = bytearray(b"#!/bin/sh\n" * 1000)
    path.write_bytes(data)
    findings = await checker.check_structure(path, 8 * MIB)
    assert findings
    assert path.read_bytes() == bytes(data)


async def test_marks_of_an_image_that_was_not_closed_are_findings(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    path = an_image(tmp_path / "x.qcow2")
    data = bytearray(path.read_bytes())
    for feature, finding in ((1, "it was not closed"), (2, "it is marked as corrupt")):
        struct.pack_into(">Q", data, 72, feature)
        path.write_bytes(data)
        assert finding in await checker.check_structure(path, 8 * MIB)


async def test_a_fifo_is_an_error_and_not_waited_for(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        await checker.check_structure(tmp_path / "fifo", MIB)
    with pytest.raises(OSError, match="not a regular file"):
        await checker.sha256_file(tmp_path / "fifo")


async def test_tables_that_were_never_written_are_a_finding(
    tmp_path: Path, checker: StoredImageChecker
) -> None:
    """QEMU closes an image whose last tables the storage refuses, and says nothing;
    qemu-img finds no fault in what is left of it."""
    path = an_image(tmp_path / "x.qcow2", "8M")
    refused = [
        {"event": event, "errno": 28, "once": False, "state": 2}
        for event in ("refblock_update_part", "l2_update")
    ]
    inner = {"driver": "file", "filename": str(path)}
    later = [{"event": "l2_update", "state": 1, "new_state": 2}]
    debug = {"driver": "blkdebug", "image": inner, "inject-error": refused}
    graph = {"driver": "qcow2", "file": debug | {"set-state": later}}
    writes = ("-c", "write -P 7 0 1M", "-c", "write -P 7 2M 64k")
    subprocess.run(
        ["qemu-io", *writes, f"json:{json.dumps(graph)}"], capture_output=True
    )
    tool("qemu-img", "check", "-q", "-f", "qcow2", str(path))
    findings = await checker.check_structure(path, 8 * MIB)
    assert "lie behind the last cluster" in "".join(findings)

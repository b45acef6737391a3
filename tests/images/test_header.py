import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.images.material import an_image, tool
from vmsnap_tui.images.header import parse_header, read_header


def _header(tmp_path: Path) -> bytearray:
    path = an_image(tmp_path / "x.qcow2", "8M", (), "base.qcow2")
    return bytearray(path.read_bytes()[:65536])


def test_what_qemu_img_made_is_read(tmp_path: Path) -> None:
    header = read_header(an_image(tmp_path / "x.qcow2", "12M", (), "base.qcow2"))
    assert header.version == 3
    assert header.virtual_bytes == 12 * 1024 * 1024
    assert header.cluster_bytes == 65536
    assert header.backing_file == "base.qcow2"
    assert header.backing_format == "qcow2"
    assert header.data_file is None
    assert not header.has_data_file
    assert not header.dirty
    assert not header.corrupt
    assert not header.encrypted


@pytest.mark.parametrize(
    "options",
    [
        "compat=0.10",
        "compat=1.1,cluster_size=512",
        "cluster_size=2M",
        "lazy_refcounts=on",
    ]
    + ["extended_l2=on", "compression_type=zstd"],
)
def test_every_kind_that_qemu_makes_is_read(tmp_path: Path, options: str) -> None:
    path = tmp_path / "x.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(path), "4M")
    header = read_header(path)
    assert header.virtual_bytes == 4 * 1024 * 1024
    assert header.backing_file is None


def test_an_external_data_file_is_seen(tmp_path: Path) -> None:
    path, data = tmp_path / "x.qcow2", tmp_path / "data"
    options = f"data_file={data}"
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(path), "4M")
    header = read_header(path)
    assert header.has_data_file
    assert header.data_file == str(data)


def test_the_feature_bit_alone_is_an_external_data_file(tmp_path: Path) -> None:
    data = _header(tmp_path)
    struct.pack_into(">Q", data, 72, 4)
    assert parse_header(bytes(data)).has_data_file


@pytest.mark.parametrize(
    ("offset", "layout", "value", "reason"),
    [
        (0, ">I", 0, "not a qcow2"),
        (4, ">I", 1, "version"),
        (4, ">I", 99, "version"),
        (8, ">Q", 2**63, "backing name"),
        (8, ">Q", 65535, "backing name"),
        (16, ">I", 1024, "backing name"),
        (20, ">I", 8, "cluster size"),
        (20, ">I", 2**31, "cluster size"),
        (24, ">Q", 2**63, "virtual size"),
        (36, ">I", 2**32 - 1, "table sizes"),
        (60, ">I", 65537, "table sizes"),
        (72, ">Q", 1 << 40, "features"),
        (96, ">I", 7, "reference counts"),
        (100, ">I", 2**32 - 8, "larger than a cluster"),
        (100, ">I", 8, "header length"),
        (100, ">I", 105, "header length"),
        (116, ">I", 2**32 - 1, "extension"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(
    tmp_path: Path, offset: int, layout: str, value: int, reason: str
) -> None:
    data = _header(tmp_path)
    struct.pack_into(layout, data, offset, value)
    with pytest.raises(ValueError, match=reason):
        parse_header(bytes(data))


def test_a_header_that_ends_early_is_refused(tmp_path: Path) -> None:
    data = bytes(_header(tmp_path))
    for length in range(104):
        with pytest.raises(ValueError, match="shorter"):
            parse_header(data[:length])


@given(st.binary())
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_header(data)


_PLAIN = struct.pack(
    ">4sIQIIQIIQQIIQQQQII",
    *(b"QFI\xfb", 3, 0, 0, 16, 2**20, 0, 1, 65536, 131072, 1, 0, 0, 0, 0, 0, 4, 104),
)


@given(st.binary(max_size=300), st.integers(0, 103), st.binary(min_size=1, max_size=8))
def test_a_header_changed_anywhere_is_read_or_refused(
    tail: bytes, offset: int, change: bytes
) -> None:
    data = bytearray(_PLAIN + tail)
    data[offset : offset + len(change)] = change
    try:
        header = parse_header(bytes(data))
    except ValueError as error:
        assert str(error)
    else:
        assert len(header.backing_file or "") <= 1023
        assert 0 <= header.virtual_bytes < 2**63


def test_links_and_fifos_are_not_read(tmp_path: Path) -> None:
    an_image(tmp_path / "x.qcow2")
    (tmp_path / "link").symlink_to("x.qcow2")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="symbolic links"):
        read_header(tmp_path / "link")
    with pytest.raises(OSError, match="not a regular file"):
        read_header(tmp_path / "fifo")


def test_a_name_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    data = _header(tmp_path)
    place = data.index(b"base.qcow2")
    data[place] = 0xFF
    assert parse_header(bytes(data)).backing_file == "\udcffase.qcow2"

"""Read a qcow2 header without QEMU: what an image says of itself, believed in nothing.

QEMU follows the names in a header: a backing file or an external data file may be
any file of the host, a device or an address on the network. So headers are read
here first, by the format's specification (docs/interop/qcow2.txt), and QEMU opens
only what passed.
"""

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"QFI\xfb"
_FIXED = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_READ_BYTES = 2 * 1024 * 1024
_MAX_L1_ENTRIES = 32 * 1024 * 1024 // 8
_MAX_SNAPSHOTS = 65536
_BACKING_FORMAT = 0xE2792ACA
_DATA_FILE_NAME = 0x44415441
_END = 0

DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
_KNOWN = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2


@dataclass(frozen=True, slots=True)
class Qcow2Header:
    """What one header states; every name in it is untrusted text."""

    version: int
    virtual_bytes: int
    cluster_bytes: int
    backing_file: str | None
    backing_format: str | None
    data_file: str | None
    incompatible: int
    encrypted: bool
    snapshot_count: int

    @property
    def has_data_file(self) -> bool:
        return bool(self.incompatible & DATA_FILE) or self.data_file is not None

    @property
    def dirty(self) -> bool:
        return bool(self.incompatible & DIRTY)

    @property
    def corrupt(self) -> bool:
        return bool(self.incompatible & CORRUPT)


def read_header(path: Path) -> Qcow2Header:
    """The header of a stored image; raises ValueError for one that makes no sense.

    Raises OSError for what is not a regular file, symbolic links among it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"not a regular file: {path}")
        return parse_header(file.read(_READ_BYTES))


def parse_header(data: bytes) -> Qcow2Header:
    """The header at the start of these bytes; raises ValueError with the reason."""
    if len(data) < _FIXED.size:
        raise ValueError("shorter than a qcow2 header")
    fields = _FIXED.unpack_from(data)
    magic, version, backing_offset, backing_length, cluster_bits = fields[:5]
    virtual_bytes, crypt, l1_entries, _, _, _, snapshots, _ = fields[5:]
    if magic != MAGIC:
        raise ValueError("not a qcow2 image")
    if version not in {2, 3}:
        raise ValueError(f"qcow2 version {version} is not known")
    if not 9 <= cluster_bits <= 21:
        raise ValueError(f"impossible cluster size (2^{cluster_bits})")
    if not 0 <= virtual_bytes < 2**63:
        raise ValueError("impossible virtual size")
    if l1_entries > _MAX_L1_ENTRIES or snapshots > _MAX_SNAPSHOTS:
        raise ValueError("impossible table sizes")
    incompatible, header_bytes = _version_3(data) if version == 3 else (0, 72)
    cluster_bytes = 1 << cluster_bits
    if header_bytes > cluster_bytes:
        raise ValueError("the header is larger than a cluster")
    backing = _backing(data, backing_offset, backing_length, cluster_bytes)
    extensions = _extensions(data, header_bytes, backing_offset or cluster_bytes)
    return Qcow2Header(
        version=version,
        virtual_bytes=virtual_bytes,
        cluster_bytes=cluster_bytes,
        backing_file=backing,
        backing_format=_text(extensions.get(_BACKING_FORMAT)),
        data_file=_text(extensions.get(_DATA_FILE_NAME)),
        incompatible=incompatible,
        encrypted=crypt != 0,
        snapshot_count=snapshots,
    )


def _version_3(data: bytes) -> tuple[int, int]:
    if len(data) < _FIXED.size + _V3.size:
        raise ValueError("shorter than a qcow2 header of version 3")
    incompatible, _, _, refcount_order, header_bytes = _V3.unpack_from(
        data, _FIXED.size
    )
    if refcount_order > 6:
        raise ValueError("impossible reference counts")
    if header_bytes < 104 or header_bytes % 8:
        raise ValueError(f"impossible header length ({header_bytes})")
    if incompatible & ~_KNOWN:
        raise ValueError(f"unknown incompatible features ({incompatible:#x})")
    return incompatible, header_bytes


def _backing(data: bytes, offset: int, length: int, cluster_bytes: int) -> str | None:
    if offset == 0:
        return None
    if length > 1023 or offset + length > min(cluster_bytes, len(data)):
        raise ValueError("the backing name is not inside the header")
    return _text(data[offset : offset + length])


def _extensions(data: bytes, start: int, end: int) -> dict[int, bytes]:
    """Every extension by its type, until the end mark; lengths are bounded."""
    found: dict[int, bytes] = {}
    end = min(end, len(data))
    while start + 8 <= end:
        kind, length = struct.unpack_from(">II", data, start)
        if kind == _END:
            return found
        start += 8
        if length > end - start:
            raise ValueError("a header extension is longer than the header")
        if kind in found:
            raise ValueError("a header extension stands twice")
        found[kind] = data[start : start + length]
        start += (length + 7) & ~7
    return found


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "surrogateescape")

"""Which process holds a busy monitor: the peers of a unix socket, from the kernel.

Uses sock_diag(7), as `ss -xp` does; file descriptors of other users' processes are
only visible to root, so there may be no answer.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST_DUMP = 0x001 | 0x300
_ALL_STATES = 0xFFFFFFFF
_SHOW_NAME_AND_PEER = 0x1 | 0x4
_NAME, _PEER = 0, 2
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIIII")
_MESSAGE = struct.Struct("=BBBBIII")
_ATTRIBUTE = struct.Struct("=HH")
_LIMIT_S = 1.0


def clients(path: str) -> tuple[str, ...]:
    """`name (process N)` of each other process that is connected to the socket."""
    try:
        peers = frozenset(_peers(os.fsencode(path)))
    except OSError:
        return ()
    return tuple(_holders(peers)) if peers else ()


def _peers(path: bytes) -> Iterator[int]:
    """The inodes at the other ends of all sockets that are bound to the path."""
    for attributes in _dump():
        name = attributes.get(_NAME, b"").rstrip(b"\0")
        peer = attributes.get(_PEER, b"")
        if name == path and len(peer) == 4:
            yield int(struct.unpack("=I", peer)[0])


def _dump() -> Iterator[dict[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as asking:
        asking.settimeout(_LIMIT_S)
        asked = _REQUEST.pack(
            socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _SHOW_NAME_AND_PEER, 0, 0
        )
        length = _HEADER.size + len(asked)
        asking.send(_HEADER.pack(length, _BY_FAMILY, _REQUEST_DUMP, 1, 0) + asked)
        while True:
            for kind, body in _split(asking.recv(1 << 18), _HEADER, kind_field=1):
                if kind in (_DONE, _ERROR):
                    return
                found = body[_MESSAGE.size :]
                yield dict(_split(found, _ATTRIBUTE, kind_field=1))


def _split(
    data: bytes, header: struct.Struct, kind_field: int
) -> Iterator[tuple[int, bytes]]:
    """Netlink's messages and attributes: a length, a kind, a body, padded to 4."""
    while len(data) >= header.size:
        fields = header.unpack_from(data)
        length, kind = fields[0], fields[kind_field]
        if length < header.size:
            return
        yield kind, data[header.size : length]
        data = data[(length + 3) & ~3 :]


def _holders(inodes: frozenset[int]) -> Iterator[str]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        if wanted & set(_open_files(process)):
            yield f"{_name(process)} (process {process.name})"


def _open_files(process: Path) -> Iterator[str]:
    """A process that ends meanwhile, or is another user's, shows none."""
    try:
        for entry in (process / "fd").iterdir():
            yield str(entry.readlink())
    except OSError:
        return


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"

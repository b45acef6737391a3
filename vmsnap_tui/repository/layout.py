"""Names in the repository's tree, and reading what stands under them.

A name that came from a machine or from a manifest is a name in one directory or
it is refused: it never chooses a path.
"""

import hashlib
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from vmsnap_tui.errors import UsageError
from vmsnap_tui.model.vm import Vm

MARKER = "vmsnap-tui.json"
MANIFEST = "manifest.json"
VM_FILE = "vm.json"
VERIFICATIONS = "verify.jsonl"
LOCKS, PARTIALS, TRASH, VMS, POINTS = "lock", "tmp", "trash", "vms", "points"

_POINT_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
_VM_DIRECTORY = re.compile(r"[a-z0-9-]{1,40}-[0-9a-f]{12}", re.ASCII)


def new_point_id(now_utc: datetime, random_hex: str) -> str:
    """`20261120T083412Z-1a2b3c4d`: readable order, and no clash in one second.

    Raises ValueError for a time without a zone or for anything but 8 hex digits.
    """
    if now_utc.tzinfo is None:
        raise ValueError("the time of a point needs its zone")
    name = f"{now_utc.astimezone(UTC):%Y%m%dT%H%M%SZ}-{random_hex}"
    if not is_point_id(name):
        raise ValueError(f"not 8 hex digits: {random_hex!r}")
    return name


def is_point_id(name: str) -> bool:
    return _POINT_ID.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Whether a manifest may name this file of its own directory."""
    return _FILE_NAME.fullmatch(name) is not None and name not in {".", ".."}


def is_vm_directory(name: str) -> bool:
    return _VM_DIRECTORY.fullmatch(name) is not None


def checked_point_id(name: str) -> str:
    """The id itself; raises UsageError for anything that is not one."""
    if not is_point_id(name):
        raise UsageError(
            "not the id of a point",
            evidence=name[:80],
            remedy="ids look like 20261120T083412Z-1a2b3c4d; see `points`",
        )
    return name


def disk_file_name(target: str) -> str:
    """`disk-vda.qcow2`; a target that is no plain name becomes a slug and a hash."""
    key = target
    if not is_file_name(target) or len(target) > 40:
        slug = "".join(c if c.isascii() and c.isalnum() else "-" for c in target)[:40]
        digest = hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()
        key = f"{slug or 'disk'}-{digest[:12]}"
    return f"disk-{key}.qcow2"


def relative_backing(parent_point_id: str, file: str) -> str:
    """The parent's file as seen from its child's directory, for qemu-img alone."""
    if not is_file_name(file):
        raise ValueError(f"not a name in a point's directory: {file!r}")
    return f"../{checked_point_id(parent_point_id)}/{file}"


def machine_hash(vm_directory: str) -> str:
    """The part of a VM's directory name that stays when the VM is renamed."""
    return vm_directory[-12:]


def key_hash(vm_key: str) -> str:
    digest = hashlib.sha256(vm_key.encode("utf-8", "surrogateescape")).hexdigest()
    return digest[:12]


def vm_directory(vms: Path, vm: Vm) -> Path:
    """Where a VM's points are: under its name, or under the one it had before."""
    expected = vms / vm.directory_name
    if expected.is_dir() or not vms.is_dir():
        return expected
    suffix = f"-{machine_hash(vm.directory_name)}"
    for entry in sorted(vms.iterdir()):
        if is_vm_directory(entry.name) and entry.name.endswith(suffix):
            return entry
    return expected


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file, never through a symbolic link.

    Raises OSError; a FIFO or a device is refused without waiting on it.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a regular file: {path}")
    return descriptor


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """The whole of a small file; raises OSError when it is larger than the limit."""
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise OSError(f"larger than {limit_bytes} bytes: {path}")
    return data

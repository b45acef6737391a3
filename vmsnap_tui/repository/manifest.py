"""A point's manifest: strict, canonical JSON that carries its own digest.

The digest is inside the file, not beside it, so that one rename changes both.
It is the SHA-256 of the same document without its `digest` key. The bytes must
be exactly the canonical form (keys sorted, two spaces, a newline at the end):
that leaves no room for duplicate keys, a second document or an unnoticed edit.
"""

import hashlib
import math
import re

import msgspec

from vmsnap_tui.errors import DamagedPoint
from vmsnap_tui.model.point import DiskLevel, Point, StoredDisk
from vmsnap_tui.repository.layout import is_file_name, is_point_id

FORMAT = 1
KIND = "vmsnap-point"
LIMIT_BYTES = 16 * 1024 * 1024

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII
)
_REMEDY = "verify the repository; restore another point, or a copy of this one"


def encode(point: Point) -> bytes:
    """The bytes to store; raises ValueError for a point that no reader would take."""
    reason = _fault(point)
    if reason:
        raise ValueError(reason)
    document: dict[str, object] = msgspec.to_builtins(point)
    document |= {"format": FORMAT, "kind": KIND}
    return canonical(document | {"digest": _digest(document)})


def decode(data: bytes) -> Point:
    """The point a manifest describes; raises DamagedPoint with the reason."""
    if len(data) > LIMIT_BYTES:
        raise _damaged(f"larger than {LIMIT_BYTES} bytes")
    try:
        document = msgspec.json.decode(data)
        if not isinstance(document, dict):
            raise _damaged("not a JSON object")
        _check_document(document, data)
        point = msgspec.convert(document, Point)
    except RecursionError:
        raise _damaged("nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(str(error)) from error
    reason = _fault(point)
    if reason:
        raise _damaged(reason)
    return point


def stored_seq(data: bytes) -> int:
    """The sequence number in even a damaged manifest, so that none is given twice.

    0 where none can be read.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 0
    seq = document.get("seq") if isinstance(document, dict) else None
    return seq if isinstance(seq, int) and 0 < seq < 2**53 else 0


def canonical(document: object) -> bytes:
    """Sorted keys, two spaces, UTF-8, one newline at the end."""
    compact = msgspec.json.encode(document, order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"


def _check_document(document: dict[str, object], data: bytes) -> None:
    if document.get("kind") != KIND:
        raise _damaged(f"not a manifest of a point (kind {document.get('kind')!r:.60})")
    if document.get("format") != FORMAT:
        raise _damaged(f"format {document.get('format')!r:.20} is not known here")
    if canonical(document) != data:
        raise _damaged("not in canonical form: edited, or with duplicate keys")
    stated = document.pop("digest", None)
    if stated != _digest(document):
        raise _damaged("its digest does not match: it was changed after it was written")


def _digest(document: dict[str, object]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def _damaged(reason: str) -> DamagedPoint:
    return DamagedPoint(
        "the manifest cannot be trusted", evidence=reason, remedy=_REMEDY
    )


def _fault(point: Point) -> str:
    """Why the point's values cannot be, or nothing."""
    window = point.freeze_window_s
    if not is_point_id(point.id):
        return f"not the id of a point: {point.id!r:.80}"
    if not 0 < point.seq < 2**53:
        return f"seq {point.seq} is out of range"
    if not _INSTANT.fullmatch(point.created_utc):
        return f"not an instant in UTC: {point.created_utc!r:.60}"
    if window is not None and not (math.isfinite(window) and window >= 0):
        return f"not a freeze window: {window}"
    if not point.vm_key:
        return "no key of a VM"
    return _fault_of_definition(point) or _fault_of_disks(point.disks)


def _fault_of_definition(point: Point) -> str:
    found = point.definition
    if found is None:
        return ""
    if not is_file_name(found.file) or found.file in {d.file for d in point.disks}:
        return f"not a name for the definition: {found.file!r:.80}"
    if not _SHA256.fullmatch(found.sha256) or not 0 < found.bytes <= LIMIT_BYTES:
        return "the definition has an impossible size or no SHA-256"
    return ""


def _fault_of_disks(disks: tuple[StoredDisk, ...]) -> str:
    if not disks:
        return "a point without a disk"
    if len({disk.target for disk in disks}) < len(disks):
        return "one disk twice"
    if len({disk.file for disk in disks}) < len(disks):
        return "one file for two disks"
    return next((fault for disk in disks if (fault := _fault_of_disk(disk))), "")


def _fault_of_disk(disk: StoredDisk) -> str:
    name = f"disk {disk.target!r:.80}"
    if not is_file_name(disk.file):
        return f"{name}: not a name in the point's own directory: {disk.file!r:.80}"
    if not _SHA256.fullmatch(disk.sha256):
        return f"{name}: not a SHA-256"
    if not (0 < disk.virtual_bytes < 2**63 and 0 < disk.bytes < 2**63):
        return f"{name}: impossible size"
    if (disk.level is DiskLevel.FULL) != (disk.parent is None):
        return f"{name}: {disk.level} and its parent contradict each other"
    if disk.parent is None:
        return ""
    if not is_point_id(disk.parent.point) or not _SHA256.fullmatch(disk.parent.sha256):
        return f"{name}: the parent is not named by id and SHA-256"
    return ""

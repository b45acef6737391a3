"""What the operator wants, before anybody asked whether it can be had."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct


class Level(StrEnum):
    AUTO = "auto"
    """Incremental where the tracking is intact, else full, with the reason."""
    FULL = "full"
    INCREMENTAL = "incremental"
    """Refused where a disk would need a full."""


class BackupRequest(Struct, frozen=True, tag="backup"):
    """Back up a machine; no `disks` means all that can be."""

    vm: str
    disks: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    level: Level = Level.AUTO
    quiesce: bool = False
    freeze_deadline_s: float = 10.0
    compress: bool = False
    speed_bytes_per_s: int = 0


class RestoreFormat(StrEnum):
    QCOW2 = "qcow2"
    RAW = "raw"


class RestoreRequest(Struct, frozen=True, tag="restore"):
    """Write a point's disks to `directory/<target>.<format>`; nothing is replaced."""

    point: str
    directory: str
    disks: tuple[str, ...] = ()
    format: RestoreFormat = RestoreFormat.QCOW2


class RepairRequest(Struct, frozen=True, tag="repair"):
    """Bring checkpoints, bitmaps and points into agreement again; no `checkpoints`
    means all that a repair can do something about."""

    vm: str
    checkpoints: tuple[str, ...] = ()


Request: TypeAlias = BackupRequest | RestoreRequest | RepairRequest

"""What a manifest may claim, from what the run can prove. Pure."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from vmsnap_tui import __version__
from vmsnap_tui.backends.base import InstantTaken
from vmsnap_tui.engine.freezing import FreezeReport
from vmsnap_tui.model.point import Consistency, Point, StoredDefinition, StoredDisk
from vmsnap_tui.plan.steps import DraftDisk, WriteManifest

UNPROVED = (
    "the guest was not frozen for certain all through the instant:"
    " the point is crash-consistent"
)


def manifest_of(
    step: WriteManifest,
    *,
    taken: dict[str, Any] | None,
    sealed: list[dict[str, Any]],
    frozen: bool,
    report: FreezeReport,
    definition: dict[str, Any] | None = None,
) -> Point:
    """The point as its manifest says it.

    `taken` is what StartBackup put out, None when the process was killed before it
    could: then nothing is known of the instant but that it was, and fs-frozen is
    claimed only where the guard's clock proves it. `sealed` is in the disks' order.
    """
    instant = msgspec.convert(taken, InstantTaken) if taken else None
    consistency, warnings = _consistency(instant, report, frozen=frozen)
    return Point(
        id=step.point,
        vm_name=step.vm_name,
        vm_uuid=step.vm_uuid,
        vm_key=step.vm_key,
        seq=step.seq,
        created_utc=instant.at_utc if instant else _planned_utc(step.point),
        consistency=consistency,
        freeze_window_s=_window_s(report) if frozen else None,
        disks=tuple(
            _stored(draft, seal) for draft, seal in zip(step.disks, sealed, strict=True)
        ),
        excluded=step.excluded,
        warnings=warnings,
        qemu_version=step.qemu_version,
        tool_version=__version__,
        definition=msgspec.convert(definition, StoredDefinition)
        if definition
        else None,
    )


def _consistency(
    instant: InstantTaken | None, report: FreezeReport, *, frozen: bool
) -> tuple[Consistency, tuple[str, ...]]:
    if frozen:
        if instant and report.covers(
            instant.before_monotonic_s, instant.after_monotonic_s
        ):
            return Consistency.FS_FROZEN, ()
        return Consistency.CRASH, (UNPROVED,)
    if instant and not instant.was_running:
        return Consistency.VM_PAUSED, ()
    return Consistency.CRASH, ()


def _window_s(report: FreezeReport) -> float | None:
    return None if report.window_s is None else round(report.window_s, 6)


def _stored(draft: DraftDisk, seal: dict[str, Any]) -> StoredDisk:
    return StoredDisk(
        target=draft.target,
        file=draft.file,
        level=draft.level,
        reason=draft.reason,
        parent=draft.parent,
        virtual_bytes=draft.virtual_bytes,
        bytes=int(seal["bytes"]),
        sha256=str(seal["sha256"]),
        bitmap=draft.bitmap,
        source_path=draft.source_path,
        source_format=draft.source_format,
    )


def _planned_utc(point: str) -> str:
    """The time in the point's id, which is when it was planned."""
    stamp = point.split("-", 1)[0]
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

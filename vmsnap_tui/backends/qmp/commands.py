"""The QMP commands of each effect, built purely: what is shown is what is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.instant import GRANULARITY_BYTES, BackupInstant, DiskInstant
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Capabilities, Vm


@dataclass(frozen=True, slots=True)
class Command:
    """One QMP command; `text` is its compact JSON."""

    execute: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        whole: dict[str, Any] = {"execute": self.execute}
        if self.arguments:
            whole["arguments"] = self.arguments
        return msgspec.json.encode(whole).decode()


def attach_target(disk: DiskInstant) -> Command:
    """One nested definition, so that one `blockdev-del` closes format and file."""
    return Command(
        "blockdev-add",
        {
            "driver": "qcow2",
            "node-name": disk.target_node,
            "backing": None,
            "file": {
                "driver": "file",
                "node-name": _file_node(disk),
                "filename": disk.file,
            },
        },
    )


def flush_target(disk: DiskInstant) -> Command:
    """Reopen read-only: QEMU writes out its caches and says whether that worked.

    `blockdev-del` alone writes them too, but answers success when it could not (a
    full or broken storage), and leaves an image without the data.
    """
    options = {
        "driver": "qcow2",
        "node-name": disk.target_node,
        "read-only": True,
        "backing": None,
        "file": _file_node(disk),
    }
    return Command("blockdev-reopen", {"options": [options]})


def _file_node(disk: DiskInstant) -> str:
    return f"{disk.target_node}-f"


def detach_target(disk: DiskInstant) -> Command:
    return Command("blockdev-del", {"node-name": disk.target_node})


def start_backup(
    instant: BackupInstant, roots: Mapping[str, str], capabilities: Capabilities
) -> Command:
    """One transaction in individual mode: `grouped` can hang QEMU for ever.

    `roots` names each disk's root node. The old bitmaps are only read.
    """
    actions: list[dict[str, Any]] = []
    for disk in instant.disks:
        actions += _disk_actions(instant, disk, roots[disk.target], capabilities)
    return Command("transaction", {"actions": actions})


def _disk_actions(
    instant: BackupInstant, disk: DiskInstant, root: str, capabilities: Capabilities
) -> list[dict[str, Any]]:
    """Both bitmaps record from before the instant, so that no write falls between.

    Where a disk has an iothread, the guest writes on while a transaction is prepared;
    only the backup action drains the disk, and that is the instant. So NEW stands
    before it, and the scratch bitmap records by itself until the job takes it over
    (which splits it inside the drained section): what is written between the merge
    and the instant is in the data, and must be in the copy as well.
    """
    incremental = disk.level is DiskLevel.INCREMENTAL
    new = {"persistent": disk.persistent, "granularity": GRANULARITY_BYTES}
    scratch = {
        "persistent": False,
        "disabled": not incremental,
        "granularity": GRANULARITY_BYTES,
    }
    actions = [
        _action("block-dirty-bitmap-add", {"node": root, "name": disk.bitmap} | new),
        _action(
            "block-dirty-bitmap-add",
            {"node": root, "name": disk.scratch_bitmap} | scratch,
        ),
    ]
    if incremental:
        sources = [{"node": r.node, "name": r.bitmap} for r in disk.merge]
        merge = {"node": root, "target": disk.scratch_bitmap, "bitmaps": sources}
        actions.append(_action("block-dirty-bitmap-merge", merge))
    job = _backup_job(instant, disk, root, capabilities)
    return [*actions, _action("blockdev-backup", job)]


def _backup_job(
    instant: BackupInstant, disk: DiskInstant, root: str, capabilities: Capabilities
) -> dict[str, Any]:
    job: dict[str, Any] = {
        "job-id": instant.job_id(disk),
        "device": root,
        "target": disk.target_node,
        "auto-finalize": False,
        "auto-dismiss": False,
        "on-source-error": "report",
        "on-target-error": "report",
    }
    match disk.level:
        case DiskLevel.FULL:
            job["sync"] = "full"
        case DiskLevel.INCREMENTAL:
            job |= {
                "sync": "bitmap",
                "bitmap": disk.scratch_bitmap,
                "bitmap-mode": "never",
            }
    if instant.speed_bytes_per_s:
        job["speed"] = instant.speed_bytes_per_s
    if instant.compress:
        job["compress"] = True
    if capabilities.backup_on_cbw_error:
        job["on-cbw-error"] = "break-snapshot"
    return job


def _action(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "data": data}


def remove_bitmap(node: str, bitmap: str) -> Command:
    return Command("block-dirty-bitmap-remove", {"node": node, "name": bitmap})


def finalize_job(job: str) -> Command:
    return Command("job-finalize", {"id": job})


def dismiss_job(job: str) -> Command:
    return Command("job-dismiss", {"id": job})


def cancel_job(job: str) -> Command:
    return Command("job-cancel", {"id": job})


def pause_job(job: str) -> Command:
    return Command("job-pause", {"id": job})


def resume_job(job: str) -> Command:
    return Command("job-resume", {"id": job})


def set_job_speed(job: str, bytes_per_s: int) -> Command:
    """`device` is the job's id: QEMU has no other command for a job's speed."""
    return Command("block-job-set-speed", {"device": job, "speed": bytes_per_s})


def resume_vm() -> Command:
    return Command("cont")


class QmpWire:
    """The previews of a plan, from the very builders that the effects send."""

    def definition(self, vm: Vm) -> tuple[str, ...]:
        return ()

    def attach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(attach_target(disk).text for disk in instant.disks)

    def start_backup(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        roots = {d.target: _root(vm.disk(d.target)) for d in instant.disks}
        return (start_backup(instant, roots, vm.capabilities).text,)

    def finalize_jobs(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        ids = instant.job_ids
        return tuple(finalize_job(job).text for job in ids) + tuple(
            dismiss_job(job).text for job in ids
        )

    def detach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(flush_target(disk).text for disk in instant.disks) + tuple(
            detach_target(disk).text for disk in instant.disks
        )

    def drop_bitmaps(
        self, vm: Vm, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        return tuple(remove_bitmap(node, bitmap).text for node, bitmap in bitmaps)

    def freeze(self, vm: Vm) -> tuple[str, ...]:
        """To the agent's own socket, not to QEMU."""
        return (Command("guest-fsfreeze-freeze").text,)

    def thaw(self, vm: Vm) -> tuple[str, ...]:
        return (Command("guest-fsfreeze-thaw").text,)

    def adopt_checkpoint(
        self, vm: Vm, name: str, targets: tuple[str, ...]
    ) -> tuple[str, ...]:
        return ()


def _root(disk: Disk | None) -> str:
    return disk.active.node if disk and disk.chain else "?"

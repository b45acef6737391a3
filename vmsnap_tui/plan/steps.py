"""What an operation may do to the world, as values.

A step says what it will do (`describe`), how to tell from the world that it took
effect (`took_effect`), what takes it back (`undo`) and whether doing it twice does
no harm (`repeatable`). It never does anything: the executor does.

Undoing is always safe to do again, and safe where nothing was done, so that a step
of which nobody knows whether it happened is simply taken back.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from msgspec import Struct

from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.model.point import DiskLevel, ExcludedDisk, Parent
from vmsnap_tui.units import format_bytes, format_duration


@dataclass(frozen=True, slots=True)
class World:
    """What `took_effect` may look at: the facts that a run leaves behind."""

    partial_exists: bool = False
    point_exists: bool = False
    backup_started: bool = False
    files: frozenset[str] = frozenset()


class _Step(Struct, frozen=True, tag_field="step"):
    repeatable: ClassVar[bool] = False
    """Done again after a crash in between, instead of being taken back."""
    tidy: ClassVar[bool] = False
    """What it leaves undone harms nobody: a failure is a warning."""

    def describe(self) -> str:
        raise NotImplementedError(type(self))

    def took_effect(self, world: World) -> bool:
        return False

    @property
    def undo(self) -> "Step | None":
        return None


class PreparePoint(_Step, frozen=True, tag="prepare-point"):
    point: str

    def describe(self) -> str:
        return f"prepare point {self.point}, in a directory that no list shows"

    def took_effect(self, world: World) -> bool:
        return world.partial_exists

    @property
    def undo(self) -> "Step | None":
        return DropPartial(self.point)


class DropPartial(_Step, frozen=True, tag="drop-partial"):
    point: str

    def describe(self) -> str:
        return f"remove what there is of point {self.point}"

    def took_effect(self, world: World) -> bool:
        return not world.partial_exists


class CreateTarget(_Step, frozen=True, tag="create-target"):
    """`backing` is the parent's file as the header names it, relative, for an
    emergency restore with qemu-img alone; nothing of ours ever follows it."""

    point: str
    target: str
    file: str
    virtual_bytes: int
    backing: str | None

    def describe(self) -> str:
        over = f" over {self.backing}" if self.backing else ""
        return f"create {self.file} for {format_bytes(self.virtual_bytes)}{over}"


class KeepDefinition(_Step, frozen=True, tag="keep-definition"):
    vm: str
    point: str
    file: str

    def describe(self) -> str:
        return f"keep the machine's definition as {self.file}"


class AttachTargets(_Step, frozen=True, tag="attach-targets"):
    vm: str
    instant: BackupInstant

    def describe(self) -> str:
        names = ", ".join(disk.target for disk in self.instant.disks)
        return f"hand the stored images of {names} to QEMU, without their parents"

    @property
    def undo(self) -> "Step | None":
        return DropTargets(self.vm, self.instant)


class DropTargets(_Step, frozen=True, tag="drop-targets"):
    vm: str
    instant: BackupInstant

    def describe(self) -> str:
        return "take the stored images back from QEMU, giving up what is in them"


class FreezeGuest(_Step, frozen=True, tag="freeze-guest"):
    vm: str
    agent: str
    deadline_s: float

    def describe(self) -> str:
        return (
            "freeze the guest's file systems; a guard thaws them after"
            f" {format_duration(self.deadline_s)} whatever happens here"
        )

    @property
    def undo(self) -> "Step | None":
        return ThawGuest(self.vm, self.agent)


class ThawGuest(_Step, frozen=True, tag="thaw-guest"):
    repeatable: ClassVar[bool] = True
    vm: str
    agent: str

    def describe(self) -> str:
        return "thaw the guest's file systems"


class StartBackup(_Step, frozen=True, tag="start-backup"):
    """`was_running`: a guest that this backup stops is set going again."""

    vm: str
    instant: BackupInstant
    was_running: bool

    def describe(self) -> str:
        disks = ", ".join(
            f"{disk.target} {disk.level.value}" for disk in self.instant.disks
        )
        return f"take the instant of all disks in one transaction: {disks}"

    def took_effect(self, world: World) -> bool:
        return world.backup_started

    @property
    def undo(self) -> "Step | None":
        return AbortBackup(self.vm, self.instant, self.was_running)


class AbortBackup(_Step, frozen=True, tag="abort-backup"):
    vm: str
    instant: BackupInstant
    was_running: bool

    def describe(self) -> str:
        return (
            "cancel the jobs and remove the new bitmaps;"
            " the old ones have recorded every change meanwhile"
        )


class AwaitJobs(_Step, frozen=True, tag="await-jobs"):
    repeatable: ClassVar[bool] = True
    vm: str
    instant: BackupInstant

    def describe(self) -> str:
        return "copy, until every disk is complete"


class FinalizeJobs(_Step, frozen=True, tag="finalize-jobs"):
    repeatable: ClassVar[bool] = True
    vm: str
    instant: BackupInstant

    def describe(self) -> str:
        return "conclude all jobs together, once each has copied all"


class DetachTargets(_Step, frozen=True, tag="detach-targets"):
    repeatable: ClassVar[bool] = True
    vm: str
    instant: BackupInstant

    def describe(self) -> str:
        return "take the stored images back from QEMU, written out"


class SealTarget(_Step, frozen=True, tag="seal-target"):
    repeatable: ClassVar[bool] = True
    point: str
    target: str
    file: str
    virtual_bytes: int

    def describe(self) -> str:
        return f"sync {self.file}, check it and read it back for its sha256"


class DraftDisk(Struct, frozen=True):
    """What a manifest says of a disk, but for what only its sealing tells."""

    target: str
    file: str
    level: DiskLevel
    reason: str
    parent: Parent | None
    virtual_bytes: int
    bitmap: str
    source_path: str
    source_format: str


class WriteManifest(_Step, frozen=True, tag="write-manifest"):
    repeatable: ClassVar[bool] = True
    point: str
    seq: int
    vm_name: str
    vm_uuid: str
    vm_key: str
    qemu_version: str
    disks: tuple[DraftDisk, ...]
    excluded: tuple[ExcludedDisk, ...]

    def describe(self) -> str:
        return "write the manifest, last of all files"


class CommitPoint(_Step, frozen=True, tag="commit-point"):
    repeatable: ClassVar[bool] = True
    point: str

    def describe(self) -> str:
        return f"put point {self.point} in its place: from here on it exists"

    def took_effect(self, world: World) -> bool:
        return world.point_exists


class DropBitmaps(_Step, frozen=True, tag="drop-bitmaps"):
    repeatable: ClassVar[bool] = True
    tidy: ClassVar[bool] = True
    vm: str
    bitmaps: tuple[tuple[str, str], ...]

    def describe(self) -> str:
        names = sorted({name for _, name in self.bitmaps})
        return f"remove bitmaps that no point needs any more ({', '.join(names)})"


class AdoptCheckpoint(_Step, frozen=True, tag="adopt-checkpoint"):
    """The bitmaps stand; only the hypervisor's knowledge of them was lost."""

    repeatable: ClassVar[bool] = True
    vm: str
    name: str
    targets: tuple[str, ...]

    def describe(self) -> str:
        disks = ", ".join(self.targets)
        return f"make the hypervisor know checkpoint {self.name} again, on {disks}"


class CheckStored(_Step, frozen=True, tag="check-stored"):
    repeatable: ClassVar[bool] = True
    point: str
    targets: tuple[str, ...]

    def describe(self) -> str:
        return f"check the sha256 of every file behind {', '.join(self.targets)}"


class PrepareDirectory(_Step, frozen=True, tag="prepare-directory"):
    repeatable: ClassVar[bool] = True
    directory: str

    def describe(self) -> str:
        return f"prepare {self.directory}"


class RestoreDisk(_Step, frozen=True, tag="restore-disk"):
    point: str
    target: str
    partial: str
    format: str

    def describe(self) -> str:
        return f"write {self.target} to {self.partial}"

    @property
    def undo(self) -> "Step | None":
        return RemoveFile(self.partial)


class RestoreDefinition(_Step, frozen=True, tag="restore-definition"):
    point: str
    partial: str

    def describe(self) -> str:
        return f"write the machine's definition to {self.partial}"

    @property
    def undo(self) -> "Step | None":
        return RemoveFile(self.partial)


class RemoveFile(_Step, frozen=True, tag="remove-file"):
    path: str

    def describe(self) -> str:
        return f"remove {self.path}"


class PublishFiles(_Step, frozen=True, tag="publish-files"):
    """Give whole files their names; a name that is taken is never replaced."""

    repeatable: ClassVar[bool] = True
    files: tuple[tuple[str, str], ...]

    def describe(self) -> str:
        return "name them " + ", ".join(final for _, final in self.files)

    def took_effect(self, world: World) -> bool:
        return all(
            final in world.files and partial not in world.files
            for partial, final in self.files
        )


Step: TypeAlias = (
    PreparePoint
    | DropPartial
    | CreateTarget
    | KeepDefinition
    | AttachTargets
    | DropTargets
    | FreezeGuest
    | ThawGuest
    | StartBackup
    | AbortBackup
    | AwaitJobs
    | FinalizeJobs
    | DetachTargets
    | SealTarget
    | WriteManifest
    | CommitPoint
    | DropBitmaps
    | AdoptCheckpoint
    | CheckStored
    | PrepareDirectory
    | RestoreDisk
    | RestoreDefinition
    | RemoveFile
    | PublishFiles
)

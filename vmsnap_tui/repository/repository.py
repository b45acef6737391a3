"""The directory that holds the points: found, listed, written and committed.

A point exists from one instant on: the rename of its directory into `points/`.
Everything before it is in `tmp/`, is never listed and may be dropped; FORMAT.md
holds the order of writes and what each crash leaves.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

from vmsnap_tui.errors import (
    DamagedPoint,
    NotFound,
    PlanRefused,
    StepFailed,
    UsageError,
)
from vmsnap_tui.model.point import Point, Verification
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.repository import atomic, chain, layout, locks, manifest, marker
from vmsnap_tui.repository.atomic import explained
from vmsnap_tui.repository.chain import ChainFile
from vmsnap_tui.repository.machines import MachineRecord, read_machine
from vmsnap_tui.repository.stored import (
    DamagedEntry,
    StoredPoint,
    read_definition,
    read_entry,
    read_manifest,
    read_point,
)
from vmsnap_tui.repository.verifications import append_verification


class Repository:
    """One repository, known by the id in its marker and not by its path.

    Every write first makes sure that the marker is still there: an unmounted
    target must not fill the mount point's own file system.
    """

    def __init__(self, path: Path, found: marker.Marker) -> None:
        self.path = path
        self.id = found.id
        self._marker = found

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> "Repository":
        """The repository at `path`; `create` makes one in an empty directory.

        Raises NotFound when there is none, PlanRefused when the directory is not
        ours alone, holds something else, or is newer than this program.
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
        with explained("the repository cannot be opened", PlanRefused):
            if create:
                return cls(path, marker.create_marker(path))
            marker.require_private(path)
            return cls(path, marker.read_marker(path))

    @property
    def short_id(self) -> str:
        return self.id[:8]

    @property
    def bitmap_prefix(self) -> str:
        """What this repository's bitmaps are called: another one's are left alone."""
        return f"vmsnap-{self.short_id}-"

    def bitmap_name(self, point_id: str) -> str:
        return self.bitmap_prefix + layout.checked_point_id(point_id)

    @staticmethod
    def new_point_id(now_utc: datetime, random_hex: str) -> str:
        return layout.new_point_id(now_utc, random_hex)

    @staticmethod
    def disk_file_name(target: str) -> str:
        return layout.disk_file_name(target)

    def relative_backing(self, vm: Vm, parent_point_id: str, file: str) -> str:
        """The name for an increment's header: qemu-img alone finds the parent by it.

        `vm` is the owner of both points, which always share one directory.
        """
        return layout.relative_backing(parent_point_id, file)

    # Reading

    def vm_directories(self) -> tuple[Path, ...]:
        """The directories of all VMs that have points; links are not followed."""
        with self._reading():
            return tuple(
                entry
                for entry in _entries(self.path / layout.VMS)
                if layout.is_vm_directory(entry.name) and _is_plain_directory(entry)
            )

    def listing(self, vm: str | None = None) -> tuple[StoredPoint | DamagedEntry, ...]:
        """Every committed point, sound or not, by VM and then in order of `seq`.

        `vm` is a name, a UUID, a key or a directory's name. Raises NotFound or
        PlanRefused when the repository is away: that is not "no points".
        """
        found: list[tuple[str, int, str, StoredPoint | DamagedEntry]] = []
        for directory in self.vm_directories():
            machine = read_machine(directory)
            try:
                entries = _entries_of(directory, machine.name)
            except OSError as error:  # one VM's directory hides no other's
                reason = f"cannot be listed: {error}"
                entries = [
                    DamagedEntry(directory.name, machine.name, directory, reason)
                ]
            for entry in entries:
                if vm is None or vm in _names(entry, directory, machine):
                    found.append((directory.name, *_order(entry), entry))
        return tuple(row[-1] for row in sorted(found, key=lambda row: row[:3]))

    def find(self, point_id: str) -> StoredPoint:
        """The point with this id or with a prefix that fits one point alone.

        Raises NotFound, UsageError for an ambiguous prefix, DamagedPoint.
        """
        vms = self.vm_directories()
        with self._reading():
            points = [point for vm in vms for point in _point_directories(vm)]
        directories = [point for point in points if point.name.startswith(point_id)]
        exact = [entry for entry in directories if entry.name == point_id]
        found = exact or directories
        if not point_id or not found:
            raise NotFound(
                "there is no such point", evidence=point_id, remedy="see `points`"
            )
        if len(found) > 1:
            raise UsageError(
                "more than one point begins so",
                evidence=", ".join(entry.name for entry in found[:4]),
                remedy="give more of the id",
            )
        return read_point(found[0])

    def chain(self, stored: StoredPoint, target: str) -> tuple[ChainFile, ...]:
        """The files of a disk from the point's own down to its full.

        Raises DamagedPoint, or NotFound for a disk the point does not hold.
        """
        return chain.walk(stored, target)

    def newest(self, vm: Vm, target: str) -> StoredPoint | None:
        """The newest point an increment of this disk can stand on.

        Points whose manifest or chain is damaged are passed over.
        """
        with self._reading():
            entries = _entries_of(self._vm_directory(vm), vm.name)
        for entry in sorted(entries, key=_order, reverse=True):
            if isinstance(entry, DamagedEntry) or entry.point.disk(target) is None:
                continue
            try:
                chain.walk(entry, target)
            except DamagedPoint:
                continue  # listed with its reason; a new full is made instead
            return entry
        return None

    def next_seq(self, vm: Vm) -> int:
        """A number above every one given, also to points that are damaged now."""
        with self._reading():
            entries = _entries_of(self._vm_directory(vm), vm.name)
        return max([len(entries), *(_order(entry)[0] for entry in entries)]) + 1

    def vm_directory(self, vm: Vm) -> Path:
        """Where the VM's points are; a renamed VM keeps its directory."""
        with self._reading():
            return self._vm_directory(vm)

    def free_bytes(self) -> int:
        """What an unprivileged user may still write here."""
        with self._reading():
            found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def device(self) -> int:
        """The file system's number, to tell a target on the source's own device."""
        with self._reading():
            return self.path.stat().st_dev

    @property
    def read_only(self) -> bool:
        """Whether it is mounted so: points can be read, verified and restored."""
        with explained("the repository's file system cannot be read", PlanRefused):
            return bool(os.statvfs(self.path).f_flag & os.ST_RDONLY)

    # Writing a point

    def partial_path(self, point_id: str) -> Path:
        return self.path / layout.PARTIALS / layout.checked_point_id(point_id)

    def create_partial(self, point_id: str) -> Path:
        """An empty directory for a point to be; raises StepFailed if it exists."""
        partial = self.partial_path(point_id)
        with self._writing("the point's directory cannot be made"):
            atomic.make_private_dir(partial.parent)
            partial.mkdir(mode=0o700)
            partial.chmod(0o700)
            atomic.fsync_path(partial.parent)
        return partial

    def create_disk_file(self, point_id: str, name: str) -> Path:
        """An empty file with mode 0600 in the partial point; it must not exist."""
        if not layout.is_file_name(name):
            raise UsageError("not a name for a stored file", evidence=name[:80])
        path = self.partial_path(point_id) / name
        with self._writing("the stored image cannot be made"):
            atomic.create_private_file(path)
        return path

    def has_partial(self, point_id: str) -> bool:
        """Whether the point was begun and neither committed nor dropped.

        Raises NotFound or PlanRefused when the repository is away.
        """
        with self._reading():
            return _is_plain_directory(self.partial_path(point_id))

    def partials(self) -> tuple[str, ...]:
        """Points that were begun and neither committed nor dropped."""
        with self._reading():
            entries = _entries(self.path / layout.PARTIALS)
        return tuple(e.name for e in entries if layout.is_point_id(e.name))

    def drop_partial(self, point_id: str) -> None:
        """Remove a partial point and nothing else; doing it twice is the same.

        A symbolic link in its place is removed, what it points to is not touched.
        """
        partial = self.partial_path(point_id)
        with explained("the partial point cannot be removed"):
            self._require_present()
            if partial.is_symlink() or partial.is_file():
                partial.unlink(missing_ok=True)
            elif partial.exists():
                shutil.rmtree(partial)
            if partial.parent.is_dir():
                atomic.fsync_path(partial.parent)

    def write_manifest(self, point_id: str, vm: Vm, point: Point) -> None:
        """Make the partial point whole: every file on disk, then the manifest.

        Raises StepFailed when a file is not there as the manifest says; nothing
        is committed by this.
        """
        if point.id != point_id or point.vm_key != vm.key:
            raise StepFailed(
                "the manifest is of another point", evidence=f"{point.id} {point_id}"
            )
        partial = self.partial_path(point_id)
        with self._writing("the manifest cannot be written"):
            try:
                data = manifest.encode(point)
            except ValueError as error:
                raise StepFailed(
                    "the manifest cannot be written", evidence=str(error)
                ) from error
            _require_files(StoredPoint(point, partial, None))
            self._write_machine(vm)
            atomic.write_new(partial / layout.MANIFEST, data)

    def commit(self, point_id: str, vm: Vm) -> None:
        """Let the point exist: one rename, both directories on disk.

        Doing it twice is the same. Raises StepFailed; the partial point then
        stands as it was, or the point is committed and only its durability is
        in doubt, which doing it again settles.
        """
        partial = self.partial_path(point_id)
        with self._writing("the point cannot be committed"):
            final = self._vm_directory(vm) / layout.POINTS / point_id
            if final.is_symlink() or final.exists():
                self._settle(partial, final)
                return
            _require_manifest(partial)
            atomic.rename_durably(partial, final)

    def is_committed(self, point_id: str, vm: Vm) -> bool:
        """Whether the point exists, now and after a power cut.

        A run that was killed between the commit's rename and its fsync is settled
        by this answer, so "yes" is pushed to the disk before it is given. Raises
        NotFound or PlanRefused when the repository is away: an answer of "no"
        would let recovery drop the tracking of a point that does exist.
        """
        layout.checked_point_id(point_id)
        with self._reading():
            points = self._vm_directory(vm) / layout.POINTS
            if not _is_plain_directory(points / point_id):
                return False
            atomic.fsync_path(points)
            return True

    def record_verification(
        self, stored: StoredPoint, verification: Verification
    ) -> None:
        """Keep what a check found, beside the point and outside its digests.

        Where the repository is mounted read-only nothing is kept, and that is no error.
        """
        if self.read_only:
            return
        with explained("the verification cannot be recorded"):
            append_verification(stored.directory, verification)

    # Locks

    def lock(self, shared: bool, operation: str = "") -> AbstractContextManager[None]:
        """The repository: shared to add or read points, exclusive to remove any.

        Raises Locked at once.
        """
        return self._lock("repository", shared=shared, operation=operation)

    def lock_vm(
        self, vm_directory: str, operation: str = ""
    ) -> AbstractContextManager[None]:
        """One VM's points, for one operation alone; renaming the VM keeps the lock.

        Raises Locked at once.
        """
        name = f"vm-{layout.machine_hash(vm_directory)}"
        if not layout.is_file_name(name):
            raise UsageError("not a VM's directory", evidence=vm_directory[:80])
        return self._lock(name, shared=False, operation=operation)

    @contextmanager
    def _lock(self, name: str, *, shared: bool, operation: str) -> Iterator[None]:
        directory = self.path / layout.LOCKS
        if shared and self.read_only:
            yield  # nobody can remove a point here, nor write a lock
            return
        with explained("the lock cannot be taken", PlanRefused):
            self._require_present()
            atomic.make_private_dir(directory)
            path = directory / f"{name}.lock"
            lock = locks.take(path, shared=shared, operation=operation)
        try:
            yield
        finally:
            os.close(lock)

    # Inside

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Answer from this very repository; raises NotFound or PlanRefused."""
        with explained("the repository cannot be read", PlanRefused):
            self._require_present()
            yield

    @contextmanager
    def _writing(self, cause: str) -> Iterator[None]:
        """Write only into this very repository; raises PlanRefused or StepFailed."""
        with explained(cause):
            found = self._require_present()
            if found.min_writer > marker.VERSION or found.features:
                raise PlanRefused(
                    "the repository is newer than this program may write",
                    evidence=f"writer {found.min_writer}, features {found.features}",
                    remedy="upgrade vmsnap-tui",
                )
            yield

    def _vm_directory(self, vm: Vm) -> Path:
        return layout.vm_directory(self.path / layout.VMS, vm)

    def _require_present(self) -> marker.Marker:
        """This repository's marker as it is now; raises when its target is away."""
        found = marker.read_marker(self.path)
        if found.id != self.id:
            raise PlanRefused(
                "another repository is mounted here",
                evidence=f"{found.id} at {self.path}",
                remedy="mount the right target",
            )
        return found

    def _write_machine(self, vm: Vm) -> None:
        directory = self._vm_directory(vm)
        for needed in (directory.parent, directory, directory / layout.POINTS):
            atomic.make_private_dir(needed)
            atomic.fsync_path(needed.parent)  # an earlier run may have died between
        record = MachineRecord(name=vm.name, uuid=vm.uuid, key=vm.key)
        if read_machine(directory) != record:
            atomic.write_new(directory / layout.VM_FILE, manifest.canonical(record))

    def _settle(self, partial: Path, final: Path) -> None:
        """The point is there: see that it is the one, and that it is on disk."""
        if partial.exists() or not _is_plain_directory(final):
            raise StepFailed(
                "something else stands where the point belongs", evidence=str(final)
            )
        _require_manifest(final)
        atomic.fsync_path(final.parent)
        atomic.fsync_path(partial.parent)


def _require_files(stored: StoredPoint) -> None:
    """Every file as the manifest says, pushed to the disk; raises StepFailed."""
    for disk in stored.point.disks:
        try:
            chain.find_file(stored, disk.target)
        except DamagedPoint as error:
            raise StepFailed(
                "a stored image is not what was written", evidence=error.evidence
            ) from error
    if stored.point.definition is not None:
        try:
            read_definition(stored)
        except DamagedPoint as error:
            raise StepFailed(error.cause, evidence=error.evidence) from error
    for entry in stored.directory.iterdir():
        atomic.fsync_path(entry)


def _require_manifest(directory: Path) -> None:
    """A whole manifest of this very point; raises StepFailed."""
    try:
        found = read_manifest(directory).id
    except DamagedPoint as error:
        raise StepFailed(error.cause, evidence=error.evidence) from error
    if found != directory.name:
        raise StepFailed("the manifest is of another point", evidence=found)


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _point_directories(vm_directory: Path) -> list[Path]:
    entries = _entries(vm_directory / layout.POINTS)
    return [entry for entry in entries if layout.is_point_id(entry.name)]


def _entries_of(vm_directory: Path, vm_name: str) -> list[StoredPoint | DamagedEntry]:
    """All points of a VM; one that another process removed meanwhile is none.

    Raises OSError where the directory itself cannot be listed.
    """
    found = (read_entry(path, vm_name) for path in _point_directories(vm_directory))
    return [
        entry
        for entry in found
        if isinstance(entry, StoredPoint) or os.path.lexists(entry.directory)
    ]


def _is_plain_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _id(entry: StoredPoint | DamagedEntry) -> str:
    return entry.point.id if isinstance(entry, StoredPoint) else entry.id


def _order(entry: StoredPoint | DamagedEntry) -> tuple[int, str]:
    seq = entry.point.seq if isinstance(entry, StoredPoint) else entry.seq
    return seq, _id(entry)


def _names(
    entry: StoredPoint | DamagedEntry, directory: Path, machine: MachineRecord
) -> set[str]:
    names = {directory.name, machine.name, machine.uuid, machine.key}
    if isinstance(entry, StoredPoint):
        names |= {entry.point.vm_name, entry.point.vm_uuid, entry.point.vm_key}
    return names - {""}

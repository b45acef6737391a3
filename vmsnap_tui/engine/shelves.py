"""What a repository and a directory hold, as the values that plans are made from."""

import os
from pathlib import Path

from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.point import Point
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.levels import Shelf
from vmsnap_tui.plan.restore import Ground, StoredPoint
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import StoredPoint as Stored

NEW_REPOSITORY_PREFIX = "vmsnap-new-"
"""Stands for the bitmap prefix of a repository that is made when the plan runs."""


def shelf_of(repository: Repository, vm: Vm) -> Shelf:
    """What the repository holds for the machine now."""
    newest: dict[str, Point] = {}
    depth: dict[str, int] = {}
    for disk in vm.disks:
        stored = repository.newest(vm, disk.target)
        if stored is not None:
            newest[disk.target] = stored.point
            depth[disk.target] = len(repository.chain(stored, disk.target))
    device = repository.device()
    return Shelf(
        path=str(repository.path),
        bitmap_prefix=repository.bitmap_prefix,
        next_seq=repository.next_seq(vm),
        free_bytes=repository.free_bytes(),
        newest=newest,
        broken={},
        depth=depth,
        same_file_system=frozenset(
            disk.target for disk in vm.disks if _device(disk) == device
        ),
    )


def empty_shelf(path: Path, vm: Vm) -> Shelf:
    """A repository that is yet to be made at `path`."""
    ground = nearest_existing(path)
    device = ground.stat().st_dev
    return Shelf(
        path=str(path),
        bitmap_prefix=NEW_REPOSITORY_PREFIX,
        next_seq=1,
        free_bytes=free_bytes(ground),
        newest={},
        broken={},
        depth={},
        same_file_system=frozenset(
            disk.target for disk in vm.disks if _device(disk) == device
        ),
    )


def ground_of(directory: Path) -> Ground:
    """The directory of a restore as it is. Raises PlanRefused where it is none."""
    names: frozenset[str] = frozenset()
    if directory.exists():
        if not directory.is_dir():
            raise PlanRefused(
                f"{directory} is not a directory",
                evidence="a restore makes files in it",
                remedy="name a directory, or one that does not exist yet",
            )
        try:
            names = frozenset(entry.name for entry in directory.iterdir())
        except OSError as error:
            raise PlanRefused(
                f"{directory} cannot be read",
                evidence=str(error),
                remedy="restore to a directory that you may read and write",
            ) from error
    return Ground(str(directory), names, free_bytes(nearest_existing(directory)))


def stored_point(repository: Repository, stored: Stored) -> StoredPoint:
    """A point with the files behind each disk. Raises DamagedPoint."""
    chains = {
        disk.target: repository.chain(stored, disk.target)
        for disk in stored.point.disks
    }
    return StoredPoint(
        point=stored.point,
        repository=str(repository.path),
        chain_bytes={t: sum(f.disk.bytes for f in c) for t, c in chains.items()},
        chain_files={t: tuple(str(f.path) for f in c) for t, c in chains.items()},
    )


def nearest_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.is_dir())


def free_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _device(disk: Disk) -> int | None:
    """The file system of the active image, None where it is no local file."""
    if not disk.chain:
        return None
    try:
        return Path(disk.active.path).stat().st_dev
    except (OSError, ValueError):
        return None

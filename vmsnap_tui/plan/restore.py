"""Plan a restore: a point's disks as files of their own, nothing replaced."""

import re
from dataclasses import dataclass

from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.model.point import Point, StoredDisk
from vmsnap_tui.plan.plan import DiskPlan, Estimates, Plan
from vmsnap_tui.plan.requests import RestoreRequest
from vmsnap_tui.plan.steps import (
    CheckStored,
    PrepareDirectory,
    PublishFiles,
    RestoreDefinition,
    RestoreDisk,
    Step,
)
from vmsnap_tui.units import format_bytes

PARTIAL_SUFFIX = ".partial"
_SAFE_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class Ground:
    """The directory a restore writes to, as it is: `names` are those in it."""

    directory: str
    names: frozenset[str]
    free_bytes: int


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point with what a restore of each disk has to read, base included."""

    point: Point
    repository: str
    chain_bytes: dict[str, int]
    chain_files: dict[str, tuple[str, ...]]


def plan_restore(
    stored: StoredPoint, request: RestoreRequest, ground: Ground, operation: str
) -> Plan:
    """The plan of one restore. Raises PlanRefused or NotFound; nothing is changed."""
    point = stored.point
    _check_directory(ground)
    disks = _choose(point, request)
    pairs = tuple(_pair(disk, request, ground) for disk in disks)
    needed = _check_room(stored, disks, ground)
    targets = tuple(disk.target for disk in disks)
    steps: list[Step] = [
        CheckStored(point.id, targets),
        PrepareDirectory(ground.directory),
    ]
    steps += [
        RestoreDisk(point.id, disk.target, partial, request.format.value)
        for disk, (partial, _) in zip(disks, pairs, strict=True)
    ]
    if point.definition is not None and not request.disks:
        pair = _names(point.definition.file, ground)
        steps.append(RestoreDefinition(point.id, pair[0]))
        pairs = (*pairs, pair)
    commit_index = len(steps)
    steps.append(PublishFiles(pairs))
    return Plan(
        operation=operation,
        title=f"restore {point.vm_name}",
        vm_name=point.vm_name,
        vm="",
        connection="",
        repository=stored.repository,
        point=point.id,
        request=request,
        steps=tuple(steps),
        commit_index=commit_index,
        disks=tuple(_disk_plan(stored, disk) for disk in disks),
        estimates=Estimates(bytes=needed, free_bytes=ground.free_bytes),
        guest_effect="nothing: no machine takes part, and no file is replaced",
        if_you_leave="the restore ends with this program; `recover` removes its files",
        if_it_breaks="the *.partial files are removed; the point is only ever read",
        afterwards="complete files: " + ", ".join(final for _, final in pairs),
    )


def _check_directory(ground: Ground) -> None:
    """A journal is JSON: what it cannot name, it could not take back."""
    try:
        ground.directory.encode()
    except UnicodeEncodeError as error:
        raise PlanRefused(
            "the directory's name is not UTF-8",
            evidence=ascii(ground.directory),
            remedy="restore to a directory with another name",
        ) from error


def _choose(point: Point, request: RestoreRequest) -> tuple[StoredDisk, ...]:
    have = ", ".join(disk.target for disk in point.disks)
    for name in request.disks:
        if point.disk(name) is None:
            raise NotFound(
                f"point {point.id} has no disk {name}",
                evidence=f"it has {have}",
                remedy="name one of these, see `vmsnap-tui points`",
            )
    disks = tuple(
        d for d in point.disks if not request.disks or d.target in request.disks
    )
    for disk in disks:
        if not _SAFE_TARGET.fullmatch(disk.target):
            raise PlanRefused(
                f"point {point.id} has a disk whose name cannot be a file name",
                evidence=ascii(disk.target),
                remedy="leave it out: name the disks to restore (--disk)",
            )
    return disks


def _pair(disk: StoredDisk, request: RestoreRequest, ground: Ground) -> tuple[str, str]:
    return _names(f"{disk.target}.{request.format.value}", ground)


def _names(name: str, ground: Ground) -> tuple[str, str]:
    """The partial and the final path. Raises PlanRefused where one is taken."""
    for taken in (name, name + PARTIAL_SUFFIX):
        if taken in ground.names:
            raise PlanRefused(
                f"{ground.directory}/{taken} exists, and a restore replaces nothing",
                evidence=f"{taken} is in {ground.directory}",
                remedy="restore to another directory, or move the file away",
            )
    final = f"{ground.directory}/{name}"
    return final + PARTIAL_SUFFIX, final


def _needed_bytes(stored: StoredPoint, disk: StoredDisk) -> int:
    return min(stored.chain_bytes[disk.target], disk.virtual_bytes)


def _check_room(
    stored: StoredPoint, disks: tuple[StoredDisk, ...], ground: Ground
) -> int:
    needed = sum(_needed_bytes(stored, disk) for disk in disks)
    if needed > ground.free_bytes:
        raise PlanRefused(
            f"{ground.directory} has no room for these disks",
            evidence=(
                f"they may take {needed} bytes ({format_bytes(needed)}), free are"
                f" {ground.free_bytes} ({format_bytes(ground.free_bytes)})"
            ),
            remedy="make room, or restore elsewhere or fewer disks (--disk)",
        )
    return needed


def _disk_plan(stored: StoredPoint, disk: StoredDisk) -> DiskPlan:
    files = stored.chain_files[disk.target]
    return DiskPlan(
        target=disk.target,
        level=disk.level.value,
        reason=f"read through {len(files)} stored file{'s' * (len(files) != 1)}",
        estimated_bytes=_needed_bytes(stored, disk),
        before=files,
    )

"""Check a point down to its fulls, level by level, and change nothing.

What needs QEMU or reads whole files comes in as a `Checker`, so that this module
knows the repository and the checker knows images.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from vmsnap_tui.errors import DamagedPoint
from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.repository.chain import ChainFile
from vmsnap_tui.repository.layout import relative_backing
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import StoredPoint, read_definition

Progress = Callable[[int, int, str], None]
"""Bytes done, bytes in all, and the file being read."""


class Checker(Protocol):
    """What can be said of one stored image."""

    async def check_structure(
        self, path: Path, virtual_bytes: int, backing: str | None
    ) -> list[str]:
        """What is wrong with it; `backing` is the only name its header may hold."""
        ...

    async def sha256_file(
        self, path: Path, progress: Callable[[int], None] | None = None
    ) -> str:
        """The digest of the whole file; `progress` is told the bytes read so far."""
        ...


async def verify(
    repository: Repository,
    stored: StoredPoint,
    level: VerifyLevel,
    progress: Progress,
    checker: Checker,
) -> Verification:
    """Check every file the point stands on; what is wrong is a finding, not an error.

    L0: manifests, files, sizes, recorded parents. L1: headers and qemu-img check.
    L2: SHA-256 of every file. A file that cannot be read is a finding; raises
    only where the checker itself cannot work. Stored files are only read.
    """
    findings: list[str] = []
    files: list[ChainFile] = []
    for disk in stored.point.disks:
        try:
            files.extend(repository.chain(stored, disk.target))
        except DamagedPoint as error:
            findings.append(error.evidence)
    if stored.point.definition is not None:
        try:
            read_definition(stored)
        except DamagedPoint as error:
            findings.append(error.evidence)
    if level >= VerifyLevel.STRUCTURE:
        for file in files:
            findings.extend(await _structure(file, checker))
    if level >= VerifyLevel.CHECKSUMS:
        findings.extend(await _checksums(files, progress, checker))
    at_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Verification(
        level=level,
        at_utc=at_utc.replace("+00:00", "Z"),
        ok=not findings,
        findings=tuple(findings),
    )


async def _structure(file: ChainFile, checker: Checker) -> list[str]:
    parent = file.disk.parent
    backing = relative_backing(parent.point, file.disk.file) if parent else None
    try:
        found = await checker.check_structure(
            file.path, file.disk.virtual_bytes, backing
        )
    except OSError as error:
        found = [f"cannot be read: {error}"]
    return [_finding(file, reason) for reason in found]


async def _checksums(
    files: list[ChainFile], progress: Progress, checker: Checker
) -> list[str]:
    findings: list[str] = []
    total_bytes = sum(file.disk.bytes for file in files)
    before_bytes = 0
    for file in files:
        what = f"{file.point_id}/{file.disk.file}"
        advance = _advance(progress, before_bytes, total_bytes, what)
        try:
            digest = await checker.sha256_file(file.path, advance)
        except OSError as error:
            findings.append(_finding(file, f"cannot be read: {error}"))
        else:
            if digest != file.disk.sha256:
                findings.append(_finding(file, "its SHA-256 is not the one recorded"))
        before_bytes += file.disk.bytes
        progress(before_bytes, total_bytes, what)
    return findings


def _advance(
    progress: Progress, before_bytes: int, total_bytes: int, what: str
) -> Callable[[int], None]:
    def advance(done_bytes: int) -> None:
        progress(min(before_bytes + done_bytes, total_bytes), total_bytes, what)

    return advance


def _finding(file: ChainFile, reason: str) -> str:
    return f"disk {file.disk.target}: {file.point_id}/{file.disk.file}: {reason}"

"""The file that says "this directory is a repository", and who may use it.

A target that is not mounted looks like an empty or a foreign directory: without
the marker nothing is ever written into it.
"""

import os
import stat
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.repository.atomic import TEMPORARY_PREFIX, make_private_dir, write_new
from vmsnap_tui.repository.layout import MARKER, read_limited
from vmsnap_tui.repository.manifest import canonical

VERSION = 1
_LIMIT_BYTES = 65536
_HARMLESS = {"lost+found"}


@dataclass(frozen=True, slots=True)
class Marker:
    """What `vmsnap-tui.json` says; `min_writer` above ours means: read only."""

    format: int
    id: str
    min_reader: int
    min_writer: int
    features: tuple[str, ...]
    created_utc: str


def require_private(path: Path) -> None:
    """Refuse a directory that someone else could change under our hands.

    Raises NotFound when there is none and PlanRefused when it is not ours alone.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            "there is no repository here",
            evidence=str(path),
            remedy="mount the target, or create a repository with the first backup",
        ) from error
    if stat.S_ISLNK(found.st_mode):
        raise _refused("the repository's path is a symbolic link", path, "say where")
    if not stat.S_ISDIR(found.st_mode):
        raise _refused("the repository's path is not a directory", path, "say where")
    if found.st_uid not in {os.geteuid(), 0}:
        remedy = f"run as its owner (uid {found.st_uid}) or choose another directory"
        raise _refused("the directory belongs to someone else", path, remedy)
    if found.st_mode & 0o022:
        if not any(path.iterdir()):
            raise _without_marker(path)
        remedy = f"chmod 700 {path}"
        raise _refused("others may write into the directory", path, remedy)


def read_marker(path: Path) -> Marker:
    """The repository's marker; raises NotFound or PlanRefused with the reason."""
    try:
        data = read_limited(path / MARKER, _LIMIT_BYTES)
        marker = msgspec.json.decode(data, type=Marker)
        uuid.UUID(marker.id)
    except FileNotFoundError as error:
        raise _without_marker(path) from error
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        remedy = f"put {MARKER} back from a copy of the repository"
        raise _refused(
            "the repository's marker cannot be read", error, remedy
        ) from error
    if marker.min_reader > VERSION or marker.format < 1:
        evidence = f"format {marker.format} needs a reader {marker.min_reader}"
        raise _refused(
            "the repository is newer than this program", evidence, "upgrade vmsnap-tui"
        )
    return marker


def create_marker(path: Path) -> Marker:
    """Make the directory a repository, or return the one that it is already.

    Raises PlanRefused for a directory that holds anything else. An empty one of ours
    that was made under a loose umask is made private first.
    """
    _make_directories(path)
    _take_over_if_empty(path)
    require_private(path)
    if (path / MARKER).exists() or not is_empty(path):
        return read_marker(path)
    created = datetime.now(UTC).isoformat(timespec="milliseconds")
    marker = Marker(
        format=VERSION,
        id=str(uuid.uuid4()),
        min_reader=VERSION,
        min_writer=VERSION,
        features=(),
        created_utc=created.replace("+00:00", "Z"),
    )
    write_new(path / MARKER, canonical(marker))
    return marker


def _take_over_if_empty(path: Path) -> None:
    """Nobody else has put anything there yet, and from here on nobody else can."""
    found = path.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if ours and found.st_mode & 0o077 and not any(path.iterdir()):
        path.chmod(0o700)


def is_empty(path: Path) -> bool:
    """Whether nothing is there but what a new file system or a crash of ours leaves."""
    return all(
        entry.name in _HARMLESS or entry.name.startswith(TEMPORARY_PREFIX)
        for entry in path.iterdir()
    )


def _make_directories(path: Path) -> None:
    missing = []
    while not path.is_symlink() and not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        make_private_dir(directory)


def _without_marker(path: Path) -> NotFound | PlanRefused:
    if is_empty(path):
        return NotFound(
            "there is no repository in this directory",
            evidence=str(path),
            remedy="mount the target, or create a repository with the first backup",
        )
    return _refused(
        "the directory holds other files and no repository",
        path,
        "see whether the target is mounted, or choose an empty directory",
    )


def _refused(cause: str, evidence: object, remedy: str) -> PlanRefused:
    return PlanRefused(cause, evidence=str(evidence), remedy=remedy)

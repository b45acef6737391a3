"""The journal of one operation: what was meant, what came of it, in order, on disk.

One file an operation in the state directory, a JSON document a line: a header with
the plan, then a record before and after each effect, then how it ended. Every line
is on the disk (fsync) before the next effect begins. A last line without its newline
was cut by a crash: the effect it announces has not begun, so it is dropped.

Whoever runs an operation holds a lock on its journal; the kernel lets go of it when
the process dies, so that a journal without an end and without a lock is exactly an
interrupted operation. See JOURNAL.md beside this file.
"""

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from vmsnap_tui.engine.machine import Record
from vmsnap_tui.errors import Locked, NotFound, PlanRefused, VmsnapError
from vmsnap_tui.plan.plan import Plan

FORMAT = 1
SUFFIX = ".jsonl"
LOCK_ATTEMPTS, LOCK_PAUSE_S = 5, 0.02
KEEP_ENDED_S = 30 * 24 * 3600
"""Ended journals are kept a month, for the operator who asks what happened."""


class Header(Struct, frozen=True, tag="header", tag_field="kind"):
    plan: Plan
    started_utc: str
    user: str
    host: str
    pid: int
    format: int = FORMAT


class Line(Struct, frozen=True, tag="record", tag_field="kind"):
    record: Record


class End(Struct, frozen=True, tag="end", tag_field="kind"):
    outcome: str
    at_utc: str


Entry: TypeAlias = Header | Line | End
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """An open journal whose lock this process holds.

    Appending raises OSError when the disk is full; the effect that the record was to
    announce is then not begun.
    """

    def __init__(self, path: Path, fd: int, header: Header, records: list[Record]):
        self.path = path
        self.header = header
        self._fd = fd
        self._records = records

    @property
    def plan(self) -> Plan:
        return self.header.plan

    def records(self) -> tuple[Record, ...]:
        return tuple(self._records)

    def append(self, record: Record) -> None:
        self._write(_encoded(Line(record)))
        self._records.append(record)

    def end(self, outcome: str) -> None:
        self._write(_ENCODER.encode(End(outcome, utc_now())))

    def _write(self, line: bytes) -> None:
        data = line + b"\n"
        start = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            written = os.write(self._fd, data)
            if written != len(data):
                raise OSError(28, "No space left on device", str(self.path))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, start)
            raise

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An operation whose journal has no end."""

    operation: str
    title: str
    vm: str
    vm_name: str
    point: str
    started_utc: str
    owner: str
    alive: bool
    """A living process runs it."""
    will: str
    """What recovering it will do, in a sentence."""


class Journals:
    """All journals of one state directory (0700; files 0600)."""

    def __init__(self, state_directory: Path) -> None:
        self.directory = state_directory / "operations"
        self._ended: set[Path] = set()
        """What has ended never changes, and is asked about many times a second."""

    def create(self, plan: Plan) -> Journal:
        """A new journal, on disk with its plan before anything else happens.

        Raises PlanRefused for a plan that JSON cannot hold: read back changed, it
        would take back other files than were made.
        """
        header = Header(plan, utc_now(), _user(), socket.gethostname(), os.getpid())
        try:
            line = _ENCODER.encode(header)
        except UnicodeEncodeError as error:
            raise PlanRefused(
                "the plan holds a name that is no text, and cannot be journalled",
                evidence=ascii(error.object[error.start : error.end]),
                remedy="rename the machine, disk or directory that has it",
            ) from error
        self.make_directory()
        path = self.directory / (plan.operation + SUFFIX)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal = Journal(path, fd, header, [])
            journal._write(line)
            _fsync_directory(self.directory)
        except BaseException:
            os.close(fd)
            raise
        return journal

    def open(self, operation: str) -> Journal:
        """An interrupted operation's journal, taken over.

        Raises NotFound, Locked when a living process runs it, VmsnapError when the
        file is not a journal of this format.
        """
        path = self.directory / (operation + SUFFIX)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise NotFound(f"there is no operation {operation}") from error
        try:
            _lock(fd)
        except BlockingIOError as error:
            os.close(fd)
            raise Locked(
                f"operation {operation} is being run",
                evidence=_owner(_read(path)[0]),
                remedy="watch it there, or end that process first",
            ) from error
        try:
            header, records, _, whole_bytes = _read(path)
            os.ftruncate(fd, whole_bytes)
        except BaseException:
            os.close(fd)
            raise
        return Journal(path, fd, header, records)

    def unended(self) -> Iterator[tuple[Header, list[Record], bool]]:
        """Header, records and whether a process runs it, oldest first.

        A file that cannot be read is left out here and named by `damaged`.
        """
        for path, _ in self._paths():
            if path in self._ended:
                continue
            read = _read_if_whole(path)
            if isinstance(read, tuple) and read[2]:
                self._ended.add(path)
            elif isinstance(read, tuple):
                yield read[0], read[1], _is_locked(path)

    def damaged(self) -> tuple[tuple[Path, str], ...]:
        """Journals that cannot be read, with the reason."""
        found = ((path, _read_if_whole(path)) for path, _ in self._paths())
        return tuple((path, read) for path, read in found if isinstance(read, str))

    def drop_old(self, now_s: float) -> None:
        """Remove journals that ended long ago, and their guards' reports."""
        for path, changed_s in self._paths():
            read = _read_if_whole(path)
            over = read is None or (isinstance(read, tuple) and read[2])
            if over and now_s - changed_s > KEEP_ENDED_S:
                path.unlink(missing_ok=True)
                self.guard_report(path.stem).unlink(missing_ok=True)

    def guard_report(self, operation: str) -> Path:
        """Where the freeze guard of an operation writes what it did."""
        return self.directory / f"{operation}.guard"

    def _paths(self) -> list[tuple[Path, float]]:
        """Each journal and when it was last changed, oldest first."""
        found = []
        for path in self.directory.glob(f"*{SUFFIX}"):
            try:
                found.append((path, path.stat().st_mtime))
            except FileNotFoundError:
                continue  # another process has just dropped it
        return sorted(found, key=lambda entry: (entry[1], entry[0].name))

    def make_directory(self) -> None:
        """The place for journals and locks, the owner's alone.

        Missing parents too: mkdir(parents=True) makes them by the umask, and whoever
        may write there can put another directory in our place.
        """
        for directory in (*reversed(self.directory.parents), self.directory):
            if not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)
        self.directory.chmod(0o700)
        _fsync_directory(self.directory.parent)


def _read_if_whole(
    path: Path,
) -> tuple[Header, list[Record], bool, int] | str | None:
    """What `_read` gives, or why it cannot be read, or None for a file without a
    single line: its process was killed before it began anything."""
    try:
        return _read(path) if path.stat().st_size else None
    except FileNotFoundError:
        return None  # another process has just dropped it
    except VmsnapError as error:
        return str(error)


def _read(path: Path) -> tuple[Header, list[Record], bool, int]:
    """Header, records, whether it ended, and the length of its whole lines."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    if not lines:
        raise VmsnapError(
            f"{path} holds no plan",
            evidence="the process was killed before anything was done",
            remedy="remove the file",
        )
    header: Header | None = None
    records: list[Record] = []
    ended = False
    for number, line in enumerate(lines, start=1):
        entry = _decoded(path, number, line)
        match entry:
            case Header() if header is None and entry.format == FORMAT:
                header = entry
            case Line() if header and entry.record.index in range(
                len(header.plan.steps)
            ):
                records.append(entry.record)
            case End() if header:
                ended = True
            case _:
                raise _unreadable(path, number, "out of place, or of another format")
    assert header is not None
    return header, records, ended, len(whole)


def _decoded(path: Path, number: int, line: bytes) -> Entry:
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(path, number, str(error)) from error


def _unreadable(path: Path, number: int, reason: str) -> VmsnapError:
    return VmsnapError(
        f"{path} is not a journal that this version reads",
        evidence=f"line {number}: {reason}",
        remedy="read it by eye, then move it away",
    )


def _encoded(line: Line) -> bytes:
    """A record as JSON. What a machine said and is no text (a lone surrogate) is
    kept with `?` in its place: a run must not stop half way for it."""
    try:
        return _ENCODER.encode(line)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(line), ensure_ascii=False)
        return text.encode("utf-8", "replace")


def _lock(fd: int) -> None:
    """Take over; one who only looks holds the lock for an instant."""
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == LOCK_ATTEMPTS - 1:
                raise
            time.sleep(LOCK_PAUSE_S)
        else:
            return


def _is_locked(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _owner(header: Header) -> str:
    return (
        f"{header.user}@{header.host}, process {header.pid}, since {header.started_utc}"
    )


def owner(header: Header) -> str:
    """Who began the operation, where and when."""
    return _owner(header)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _fsync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

"""Letting QEMU's user at the files of one point, and taking that back.

libvirt's QEMU mostly runs as a user of its own, while a repository belongs to the
operator alone. What is granted is as little as it takes: search of the directories of
the repository down to the point, read and write of the new files; by POSIX ACLs, or by
the group where the file system has none.
"""

import contextlib
import errno
import fcntl
import os
import pwd
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.errors import StepFailed

LEVELS = 3
"""Directories above a file that are the repository's own: point, `tmp`, repository."""

_ACL = "system.posix_acl_access"
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_NOBODY = 0xFFFFFFFF
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32
_READ_WRITE, _SEARCH = 6, 1
_NO_ACLS = (errno.ENOTSUP, errno.EOPNOTSUPP)

Entry = tuple[int, int, int]
"""Tag, permissions, and the id of a named user or group."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a QEMU runs as, with all groups that libvirt gives it."""

    uid: int
    gid: int
    groups: frozenset[int]

    @property
    def name(self) -> str:
        try:
            return f"{pwd.getpwuid(self.uid).pw_name} (uid {self.uid})"
        except KeyError:
            return f"uid {self.uid}"


def qemu_user(dac_label: str) -> User | None:
    """The user of libvirt's label (`+64055:+64055`, `qemu:qemu`), None where it is
    ourselves, or where libvirt does not say: then it is ourselves, too."""
    owner, _, group = dac_label.partition(":")
    try:
        known = None if _numeric(owner) else pwd.getpwnam(owner)
        uid = known.pw_uid if known else int(owner)
        gid = int(group) if _numeric(group) else (known.pw_gid if known else uid)
    except (KeyError, ValueError):
        return None
    if uid == os.geteuid():
        return None
    groups = {gid}
    with contextlib.suppress(KeyError):
        groups.update(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    return User(uid, gid, frozenset(groups))


def grant(files: tuple[Path, ...], user: User) -> None:
    """All or none. Raises StepFailed with the directory that the user cannot pass, and
    what the file system refused."""
    _require_way(files[0].parent, user)
    try:
        with _locked(files[0].parent.parent):
            for file in files:
                _grant_file(file, user)
            for directory in _own_directories(files[0]):
                if not may_search(directory, user):
                    _grant_search(directory, user)
    except OSError as error:
        take_back(files)
        raise StepFailed(
            f"QEMU's user {user.name} cannot be let at the stored images",
            evidence=f"{error.filename or files[0]}: {error.strerror or error}",
            remedy="use a repository on a file system with ACLs, or run as root",
        ) from error


def take_back(files: tuple[Path, ...]) -> None:
    """Files and the point's directory are the operator's alone again; what stands above
    stays open as long as another point is being written there. Missing ones are fine.

    Whom it was granted to is read from the files, as a machine that is off does not
    tell any more. Raises OSError.
    """
    point, *above = _own_directories(files[0]) or (files[0].parent,)
    with contextlib.suppress(FileNotFoundError), _locked(point.parent):
        granted = _granted_to((*files, point))
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                _own_file(path)
        with contextlib.suppress(FileNotFoundError):
            _revoke_search(point, granted)
        others = _granted_to(tuple(_others(point)))
        for directory in above:
            _revoke_search(directory, granted - others)


def may_search(directory: Path, user: User) -> bool:
    """By the algorithm of the kernel (acl(5)): the owner's entry, the user's own, the
    groups' that fit, else the others'."""
    found = directory.stat()
    entries = _entries(directory)
    if user.uid == found.st_uid:
        return bool(_permissions(entries, _OWNER) & _SEARCH)
    mask = next((granted for tag, granted, _ in entries if tag == _MASK), 7)
    for tag, granted, who in entries:
        if tag == _USER and who == user.uid:
            return bool(granted & mask & _SEARCH)
    fitting = [
        granted & mask
        for tag, granted, who in entries
        if (tag == _GROUP and found.st_gid in user.groups)
        or (tag == _NAMED_GROUP and who in user.groups)
    ]
    if fitting:
        return any(granted & _SEARCH for granted in fitting)
    return bool(_permissions(entries, _OTHER) & _SEARCH)


def _numeric(text: str) -> bool:
    return text.removeprefix("+").isdigit()


def _require_way(point: Path, user: User) -> None:
    """Above the repository nothing is changed: it is not ours."""
    own = set(_own_directories(point / "file"))
    for directory in reversed((point, *point.parents)):
        if directory in own:
            continue
        try:
            passed = may_search(directory, user)
        except OSError:
            continue  # not ours to look at: QEMU will tell
        if not passed:
            mode = stat.filemode(directory.stat().st_mode)
            raise StepFailed(
                "QEMU cannot reach the repository",
                evidence=f"{user.name} may not pass {directory} ({mode})",
                remedy=f"let it: setfacl -m u:{user.uid}:x {directory}, or use a"
                " repository elsewhere (--repo)",
            )


def _own_directories(file: Path) -> tuple[Path, ...]:
    """Point, `tmp` and repository; fewer where a path is shorter, or not ours."""
    nearest = tuple(file.parents)[:LEVELS]
    return tuple(d for d in nearest if d != Path("/") and _is_ours(d))


def _is_ours(directory: Path) -> bool:
    try:
        return directory.stat().st_uid == os.geteuid()
    except OSError:
        return True  # gone: whatever is done to it does nothing


def _others(point: Path) -> Iterator[Path]:
    for path in point.parent.iterdir():
        if path != point and path.is_dir() and not path.is_symlink():
            yield path


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One grants or takes back at a time: the last to leave closes the doors."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _grant_file(file: Path, user: User) -> None:
    """Where libvirt gives the file to QEMU's user, it may come back as root's: an
    operator who is not root keeps a right of his own."""
    named = {user.uid: _READ_WRITE}
    if os.geteuid() != 0:
        named[os.geteuid()] = _READ_WRITE
    wanted = [(_OWNER, _READ_WRITE, _NOBODY)]
    wanted += [(_USER, granted, uid) for uid, granted in sorted(named.items())]
    wanted += [(_GROUP, 0, _NOBODY), (_MASK, _READ_WRITE, _NOBODY)]
    wanted += [(_OTHER, 0, _NOBODY)]
    try:
        _write(file, wanted)
    except OSError as error:
        _by_group(file, user, 0o660, error)


def _grant_search(directory: Path, user: User) -> None:
    entries = [e for e in _entries(directory) if not _names(e, user)]
    mask = _permissions(entries, _MASK, _permissions(entries, _GROUP)) | _SEARCH
    entries = [e for e in entries if e[0] != _MASK]
    entries += [(_USER, _SEARCH, user.uid), (_MASK, mask, _NOBODY)]
    try:
        _write(directory, entries)
    except OSError as error:
        mode = stat.S_IMODE(directory.stat().st_mode)
        _by_group(directory, user, mode | 0o010, error)


def _by_group(path: Path, user: User, mode: int, error: OSError) -> None:
    """Only root may give a file to a group that it is not in."""
    if error.errno not in _NO_ACLS or os.geteuid() != 0:
        raise error
    os.chown(path, -1, user.gid, follow_symlinks=False)
    path.chmod(mode)


def _own_file(file: Path) -> None:
    found = file.lstat()
    if os.geteuid() == 0 and (found.st_uid, found.st_gid) != (0, os.getegid()):
        os.chown(file, 0, os.getegid(), follow_symlinks=False)
    elif found.st_uid != os.geteuid():
        _replace_by_own(file)
    with contextlib.suppress(OSError):
        os.removexattr(file, _ACL)
    file.chmod(0o600)


def _replace_by_own(file: Path) -> None:
    """A file that came back as another's is copied by its reader: it could neither be
    made private nor be trusted to stay as it is."""
    own = file.with_name(f".{file.name}.own")
    own.unlink(missing_ok=True)
    source = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(own, flags, 0o600)
        try:
            left = os.fstat(source).st_size
            while left and (done := os.copy_file_range(source, target, left)):
                left -= done
            os.fsync(target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    own.replace(file)


def _revoke_search(directory: Path, granted: frozenset[Entry]) -> None:
    """Our own entries alone; the operator's others stay."""
    entries = _entries(directory)
    ours = {(_USER, _SEARCH, who) for tag, _, who in granted if tag == _USER}
    kept = [entry for entry in entries if entry not in ours]
    if kept != entries:
        if any(tag in (_USER, _NAMED_GROUP) for tag, _, _ in kept):
            _write(directory, [_remasked(entry, kept) for entry in kept])
        else:
            group = _permissions(kept, _GROUP)
            os.removexattr(directory, _ACL)
            mode = stat.S_IMODE(directory.stat().st_mode)
            directory.chmod(mode & ~0o070 | group << 3)
    found = directory.stat()
    if any(tag == _GROUP and who == found.st_gid for tag, _, who in granted):
        os.chown(directory, -1, os.getegid(), follow_symlinks=False)
        directory.chmod(stat.S_IMODE(found.st_mode) & ~0o070)


def _remasked(entry: Entry, entries: list[Entry]) -> Entry:
    """A mask that lets through what the remaining entries grant, and no more."""
    if entry[0] != _MASK:
        return entry
    masked = (_USER, _GROUP, _NAMED_GROUP)
    union = 0
    for tag, granted, _ in entries:
        union |= granted if tag in masked else 0
    return (_MASK, entry[1] & union, _NOBODY)


def _granted_to(paths: tuple[Path, ...]) -> frozenset[Entry]:
    """Users by name, and groups that root gave the path to, without permissions."""
    found: set[Entry] = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            named = [who for tag, _, who in _entries(path) if tag == _USER]
            found.update((_USER, 0, who) for who in named if who != os.geteuid())
            group = path.stat().st_gid
            if os.geteuid() == 0 and group != os.getegid() and not _has_acls(path):
                found.add((_GROUP, 0, group))
    return frozenset(found)


def _has_acls(path: Path) -> bool:
    try:
        os.getxattr(path, _ACL)
    except OSError as error:
        return error.errno not in _NO_ACLS
    return True


def _names(entry: Entry, user: User) -> bool:
    return entry[0] == _USER and entry[2] == user.uid


def _permissions(entries: list[Entry], tag: int, otherwise: int = 0) -> int:
    return next((granted for t, granted, _ in entries if t == tag), otherwise)


def _entries(path: Path) -> list[Entry]:
    """The path's ACL; what its mode says where it has none."""
    try:
        raw = os.getxattr(path, _ACL)
    except OSError as error:
        if error.errno not in (errno.ENODATA, *_NO_ACLS):
            raise
        mode = stat.S_IMODE(path.stat().st_mode)
        return [
            (_OWNER, mode >> 6 & 7, _NOBODY),
            (_GROUP, mode >> 3 & 7, _NOBODY),
            (_OTHER, mode & 7, _NOBODY),
        ]
    return list(_ENTRY.iter_unpack(raw[len(_VERSION) :]))


def _write(path: Path, entries: list[Entry]) -> None:
    """The kernel wants them in the order of their tags and ids."""
    packed = b"".join(_ENTRY.pack(*e) for e in sorted(entries, key=_order))
    os.setxattr(path, _ACL, _VERSION + packed)


def _order(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[2]

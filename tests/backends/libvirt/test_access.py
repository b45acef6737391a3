import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmsnap_tui.backends.libvirt import access
from vmsnap_tui.backends.libvirt.access import User
from vmsnap_tui.errors import StepFailed

NOBODY = User(65534, 65534, frozenset({65534}))
ANOTHER = User(65533, 65533, frozenset({65533}))

pytestmark = pytest.mark.libvirt


@pytest.fixture
def repository(lab_directory: Path) -> Path:
    """As the engine makes it: private, in a place where others may pass."""
    assert os.geteuid() == 0, "acting as another user needs root"
    lab_directory.chmod(0o711)
    return a_repository(lab_directory / "repository")


def a_repository(path: Path) -> Path:
    for directory in (path, path / "tmp"):
        directory.mkdir(mode=0o700)
    return path


def a_point(repository: Path, name: str) -> tuple[Path, ...]:
    directory = repository / "tmp" / name
    directory.mkdir(mode=0o700)
    files = tuple(directory / f"disk-{target}.qcow2" for target in ("vda", "vdb"))
    for file in files:
        file.touch(mode=0o600)
        file.write_bytes(b"content")
    return files


def may(user: User, *command: str | Path) -> bool:
    """Whether the command works for that user."""
    who = ("setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups")
    done = subprocess.run([*who, "--", *command], capture_output=True)
    return done.returncode == 0


def modes(*paths: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in paths}


def is_private(repository: Path, files: tuple[Path, ...]) -> bool:
    directories = (repository, repository / "tmp", files[0].parent)
    return modes(*files) == {0o600} and modes(*directories) == {0o700}


@pytest.mark.parametrize("label", ["+65534:+65534", "65534:65534", "nobody:nogroup"])
def test_user_of_a_label(label: str) -> None:
    found = access.qemu_user(label)
    assert found is not None
    assert found.uid == 65534
    assert 65534 in found.groups


@pytest.mark.parametrize("label", ["", f"+{os.geteuid()}:+0", "no-such-user:x"])
def test_no_user_where_it_is_ourselves_or_not_told(label: str) -> None:
    assert access.qemu_user(label) is None


def test_the_user_reads_and_writes_the_files_and_nobody_else_does(
    repository: Path,
) -> None:
    files = a_point(repository, "p1")
    other = a_point(repository, "p0")
    assert not may(NOBODY, "cat", files[0])
    access.grant(files, NOBODY)
    for file in files:
        assert may(NOBODY, "cat", file)
        assert may(NOBODY, "dd", "if=/dev/null", f"of={file}", "conv=notrunc")
        assert not may(ANOTHER, "cat", file)
    assert not may(NOBODY, "cat", other[0])
    for directory in (repository, repository / "tmp", files[0].parent):
        assert not may(NOBODY, "ls", directory)
        assert not may(NOBODY, "touch", directory / "new")


def test_taken_back_all_is_private_again(repository: Path) -> None:
    files = a_point(repository, "p1")
    access.grant(files, NOBODY)
    for _ in range(2):
        access.take_back(files)
        assert is_private(repository, files)
        assert not may(NOBODY, "cat", files[0])
        assert os.listxattr(files[0]) == os.listxattr(repository) == []


def test_taking_back_takes_what_was_given_away_to_another_owner(
    repository: Path,
) -> None:
    """libvirt gives a file to QEMU's user and, when QEMU was killed, not back."""
    files = a_point(repository, "p1")
    access.grant(files, NOBODY)
    os.chown(files[0], 65534, 65534)
    access.take_back(files)
    assert is_private(repository, files)
    assert (files[0].stat().st_uid, files[0].stat().st_gid) == (0, os.getegid())


def test_taking_back_what_is_not_there_is_fine(repository: Path) -> None:
    files = a_point(repository, "p1")
    access.grant(files, NOBODY)
    for file in files:
        file.unlink()
    access.take_back(files)
    files[0].parent.rmdir()
    access.take_back(files)


def test_the_way_stays_open_until_the_last_has_left(repository: Path) -> None:
    first, second = a_point(repository, "p1"), a_point(repository, "p2")
    access.grant(first, NOBODY)
    access.grant(second, NOBODY)
    access.take_back(first)
    assert may(NOBODY, "cat", second[0])
    assert not may(NOBODY, "cat", first[0])
    access.take_back(second)
    assert is_private(repository, first)
    assert is_private(repository, second)


def test_the_operators_own_entries_stay(repository: Path) -> None:
    files = a_point(repository, "p1")
    subprocess.run(["chmod", "0750", repository], check=True)
    entry = 65533
    own = [(1, 7, 2**32 - 1), (2, 5, entry), (4, 5, 2**32 - 1)]
    access._write(repository, [*own, (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)])
    before = os.getxattr(repository, "system.posix_acl_access")
    access.grant(files, NOBODY)
    assert may(ANOTHER, "ls", repository)
    assert may(NOBODY, "cat", files[0])
    access.take_back(files)
    assert os.getxattr(repository, "system.posix_acl_access") == before


def test_a_mode_of_a_group_comes_back(repository: Path) -> None:
    files = a_point(repository, "p1")
    repository.chmod(0o750)
    access.grant(files, NOBODY)
    access.take_back(files)
    assert modes(repository) == {0o750}


def test_the_first_directory_in_the_way_is_named(lab_directory: Path) -> None:
    lab_directory.chmod(0o711)
    (lab_directory / "closed").mkdir(mode=0o750)
    files = a_point(a_repository(lab_directory / "closed" / "repository"), "p1")
    with pytest.raises(StepFailed, match="cannot reach") as raised:
        access.grant(files, NOBODY)
    assert f"{lab_directory}/closed (drwxr-x---)" in raised.value.evidence
    assert "nobody" in raised.value.evidence
    assert f"setfacl -m u:65534:x {lab_directory}/closed" in raised.value.remedy
    assert modes(*files) == {0o600}


@pytest.fixture
def without_acls(lab_directory: Path) -> Iterator[Path]:
    """ramfs has none."""
    lab_directory.chmod(0o711)
    place = lab_directory / "ram"
    place.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "test", place], check=True)
    place.chmod(0o711)
    yield place
    subprocess.run(["umount", place], check=True)


def test_without_acls_it_goes_by_the_group(without_acls: Path) -> None:
    repository = a_repository(without_acls / "repository")
    files, other = a_point(repository, "p1"), a_point(repository, "p2")
    access.grant(files, NOBODY)
    access.grant(other, NOBODY)
    for file in (*files, *other):
        assert may(NOBODY, "cat", file)
        assert not may(ANOTHER, "cat", file)
    access.take_back(files)
    assert may(NOBODY, "cat", other[0])
    assert not may(NOBODY, "cat", files[0])
    access.take_back(other)
    assert is_private(repository, files)
    assert is_private(repository, other)
    assert {path.stat().st_gid for path in (repository, *files)} == {os.getegid()}


def test_an_ordinary_user_gets_a_file_of_its_own_again(lab_directory: Path) -> None:
    """libvirt leaves a file to root where it could keep no note of its owner."""
    lab_directory.chmod(0o711)
    home = lab_directory / "home"
    home.mkdir()
    os.chown(home, ANOTHER.uid, ANOTHER.gid)
    repository = a_repository(home / "repository")
    files = a_point(repository, "p1")
    for path in (repository, repository / "tmp", files[0].parent, *files):
        os.chown(path, ANOTHER.uid, ANOTHER.gid)
    as_user(ANOTHER, access.grant, files, NOBODY)
    assert may(NOBODY, "cat", files[0])
    os.chown(files[0], 0, 0)
    as_user(ANOTHER, access.take_back, files)
    assert files[0].read_bytes() == b"content"
    assert (modes(*files), files[0].stat().st_uid) == ({0o600}, ANOTHER.uid)
    assert not may(NOBODY, "cat", files[0])
    assert sorted(files[0].parent.iterdir()) == sorted(files)


def as_user(user: User, function: Callable[..., None], *values: object) -> None:
    """In a process of its own, as what is given up cannot be had back."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
            function(*values)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_name_of_a_user_is_shown_where_it_has_one() -> None:
    assert NOBODY.name == f"{pwd.getpwuid(65534).pw_name} (uid 65534)"
    assert User(123456, 1, frozenset()).name == "uid 123456"

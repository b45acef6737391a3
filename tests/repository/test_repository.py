import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.repository.material import a_disk, a_point, a_vm, an_id, store
from vmsnap_tui.errors import (
    DamagedPoint,
    Locked,
    NotFound,
    PlanRefused,
    StepFailed,
    UsageError,
)
from vmsnap_tui.model.point import Parent, Verification, VerifyLevel
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import DamagedEntry, StoredPoint


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def _ids(repository: Repository, vm: str | None = None) -> list[str]:
    return [
        entry.point.id if isinstance(entry, StoredPoint) else entry.id
        for entry in repository.listing(vm)
    ]


def test_an_opened_repository_is_the_one_that_was_created(tmp_path: Path) -> None:
    created = Repository.open(tmp_path / "r", create=True)
    opened = Repository.open(tmp_path / "r")
    assert opened.id == created.id
    assert opened.bitmap_prefix == f"vmsnap-{created.id[:8]}-"
    assert opened.bitmap_name(an_id(1)) == opened.bitmap_prefix + an_id(1)


def test_a_point_is_listed_only_after_its_commit(repository: Repository) -> None:
    vm = a_vm()
    repository.create_partial(an_id(1))
    disk = a_disk(b"abc")
    repository.create_disk_file(an_id(1), disk.file).write_bytes(b"abc")
    repository.write_manifest(an_id(1), vm, a_point(1, vm, (disk,)))
    assert repository.listing() == ()
    assert repository.partials() == (an_id(1),)
    assert not repository.is_committed(an_id(1), vm)

    repository.commit(an_id(1), vm)
    repository.commit(an_id(1), vm)

    assert _ids(repository) == [an_id(1)]
    assert repository.is_committed(an_id(1), vm)
    assert not repository.has_partial(an_id(1))
    assert repository.find(an_id(1)).point == a_point(1, vm, (disk,))


def test_a_yes_about_a_commit_is_on_disk_before_it_is_given(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between rename and fsync is settled by this answer."""
    points = store(repository, a_vm(), 1).parent
    pushed: list[Path] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        pushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", recorded)
    assert not repository.is_committed(an_id(2), a_vm())
    assert pushed == []
    assert repository.is_committed(an_id(1), a_vm())
    assert pushed == [points]


_FILL = """
import subprocess, sys
from pathlib import Path
from tests.repository.material import *
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.units import MiB
if sys.argv[2] == "tmpfs":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "x", sys.argv[1]])
    Path(sys.argv[1]).chmod(0o700)
else:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (MiB, MiB))
repository = Repository.open(Path(sys.argv[1]), create=True)
store(repository, a_vm(), 1)
disk = a_disk(b"abc")
for filler in repository.path, repository.create_partial(an_id(2)):
    try:
        (filler / "filler").write_bytes(b"x" * 2 * MiB)
    except OSError as error:
        print(error.strerror)
try:
    repository.create_disk_file(an_id(2), disk.file).write_bytes(b"abc" * MiB)
except (OSError, StepFailed) as error:
    print("refused")
repository.drop_partial(an_id(2))
(repository.path / "filler").unlink()
store(repository, a_vm(), 2, parent=1)
print(len(repository.chain(repository.find(an_id(2)), "vda")), repository.partials())
"""


def test_a_full_file_system_keeps_the_points_and_takes_the_next_when_freed(
    tmp_path: Path,
) -> None:
    """A real tmpfs in a mount namespace; where there is none, a limit on files."""
    tmp_path.chmod(0o700)
    namespace = ["unshare", "--mount", "--map-root-user"]
    able = subprocess.run([*namespace, "true"], capture_output=True, check=False)
    prefix, kind = (namespace, "tmpfs") if able.returncode == 0 else ([], "limit")
    command = [*prefix, sys.executable, "-c", _FILL, str(tmp_path), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    full = "No space left on device" if kind == "tmpfs" else "File too large"
    assert lines == [full, full, "refused", "2 ()"], done.stderr


def test_every_file_is_private_whatever_the_umask(
    tmp_path: Path, no_umask: None
) -> None:
    repository = Repository.open(tmp_path / "deep" / "r", create=True)
    store(repository, a_vm(), 1)
    with repository.lock(shared=False), repository.lock_vm(a_vm().directory_name):
        pass
    stored = repository.find(an_id(1))
    checked = Verification(VerifyLevel.LISTED, "2026-11-20T08:34:12Z", ok=True)
    repository.record_verification(stored, checked)
    paths = [tmp_path / "deep", *(tmp_path / "deep").rglob("*")]
    modes = {p: stat.S_IMODE(p.lstat().st_mode) for p in paths}
    assert len(modes) > 10
    assert {m for p, m in modes.items() if p.is_dir()} == {0o700}
    assert {m for p, m in modes.items() if p.is_file()} == {0o600}


def test_points_are_listed_by_sequence_and_not_by_id(repository: Repository) -> None:
    store(repository, a_vm(), 9, seq=1)
    store(repository, a_vm(), 3, seq=2)
    store(repository, a_vm(), 5, seq=3)
    assert _ids(repository) == [an_id(9), an_id(3), an_id(5)]
    assert repository.next_seq(a_vm()) == 4


def test_points_of_one_vm_are_found_by_any_of_its_names(repository: Repository) -> None:
    web = a_vm()
    store(repository, web, 1)
    store(repository, a_vm("db-01", ""), 2)
    for name in (web.name, web.uuid, web.directory_name):
        assert _ids(repository, name) == [an_id(1)]
    assert _ids(repository, a_vm("db-01", "").key) == [an_id(2)]
    assert _ids(repository, "nobody") == []


def test_a_renamed_vm_keeps_its_points_and_its_chain(repository: Repository) -> None:
    store(repository, a_vm("before"), 1)
    store(repository, a_vm("after"), 2, parent=1)
    assert len(repository.vm_directories()) == 1
    assert len(repository.chain(repository.find(an_id(2)), "vda")) == 2
    assert _ids(repository, "after") == [an_id(1), an_id(2)]
    with repository.lock_vm(a_vm("before").directory_name), pytest.raises(Locked):
        repository.lock_vm(a_vm("after").directory_name).__enter__()


def test_a_broken_manifest_hides_no_other_point(repository: Repository) -> None:
    store(repository, a_vm(), 1)
    broken = store(repository, a_vm(), 2)
    store(repository, a_vm(), 3)
    (broken / "manifest.json").write_bytes(b"{")
    entries = repository.listing()
    assert sorted(_ids(repository)) == [an_id(1), an_id(2), an_id(3)]
    damaged = [entry for entry in entries if isinstance(entry, DamagedEntry)]
    assert [entry.id for entry in damaged] == [an_id(2)]
    assert damaged[0].vm_name == "web-01"
    assert repository.next_seq(a_vm()) == 4
    with pytest.raises(DamagedPoint):
        repository.find(an_id(2))


def test_a_damaged_point_keeps_its_sequence_number(repository: Repository) -> None:
    edited = store(repository, a_vm(), 1, seq=41)
    manifest = edited / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"web-01", b"web-02"))
    assert repository.next_seq(a_vm()) == 42


def test_a_point_is_found_by_a_prefix_that_fits_it_alone(
    repository: Repository,
) -> None:
    store(repository, a_vm(), 0x1A000000)
    store(repository, a_vm(), 0x1B000000)
    assert repository.find("20261120T083412Z-1a").point.id == an_id(0x1A000000)
    with pytest.raises(UsageError):
        repository.find("20261120T083412Z-1")
    for missing in ("", "20271120", "../../etc"):
        with pytest.raises(NotFound):
            repository.find(missing)


def test_a_copied_manifest_is_found_out_by_its_id(repository: Repository) -> None:
    one = store(repository, a_vm(), 1)
    two = store(repository, a_vm(), 2)
    (two / "manifest.json").write_bytes((one / "manifest.json").read_bytes())
    with pytest.raises(DamagedPoint, match=an_id(1)):
        repository.find(an_id(2))


def test_a_point_moved_to_another_vm_is_found_out(repository: Repository) -> None:
    one = store(repository, a_vm(), 1)
    other = store(repository, a_vm("db-01", ""), 2)
    one.rename(other.parent / one.name)
    with pytest.raises(DamagedPoint, match="another VM"):
        repository.find(an_id(1))


def test_a_point_directory_that_is_a_link_is_damaged(
    repository: Repository, tmp_path: Path
) -> None:
    one = store(repository, a_vm(), 1)
    one.rename(tmp_path / "elsewhere")
    one.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedPoint, match="symbolic link"):
        repository.find(an_id(1))


def test_newest_passes_over_points_that_cannot_carry_an_increment(
    repository: Repository,
) -> None:
    vm = a_vm()
    assert repository.newest(vm, "vda") is None
    store(repository, vm, 1)
    store(repository, vm, 2, target="vdb")
    gone = store(repository, vm, 3)
    (gone / "disk-vda.qcow2").unlink()
    newest = repository.newest(vm, "vda")
    assert newest is not None
    assert newest.point.id == an_id(1)


def test_a_manifest_is_not_written_over_files_that_differ_from_it(
    repository: Repository,
) -> None:
    vm, disk = a_vm(), a_disk(b"abc")
    repository.create_partial(an_id(1))
    path = repository.create_disk_file(an_id(1), disk.file)
    for held in (b"", b"abcd"):
        path.write_bytes(held)
        with pytest.raises(StepFailed):
            repository.write_manifest(an_id(1), vm, a_point(1, vm, (disk,)))
    with pytest.raises(StepFailed):
        repository.write_manifest(an_id(1), vm, a_point(2, vm, (disk,)))
    with pytest.raises(StepFailed):
        repository.commit(an_id(1), vm)
    assert repository.listing() == ()


def test_a_vm_whose_points_cannot_be_listed_hides_no_other(
    repository: Repository,
) -> None:
    """A loop of links stands for a directory that the system will not list."""
    store(repository, a_vm(), 1)
    points = store(repository, a_vm("db-01", ""), 2).parent
    points.rename(points.with_name("away"))
    points.symlink_to("points")
    entries = repository.listing()
    assert [type(entry) for entry in entries] == [DamagedEntry, StoredPoint]
    with pytest.raises(PlanRefused):
        repository.next_seq(a_vm("db-01", ""))


def test_nothing_that_exists_is_ever_written_over(repository: Repository) -> None:
    repository.create_partial(an_id(1))
    with pytest.raises(StepFailed):
        repository.create_partial(an_id(1))
    repository.create_disk_file(an_id(1), "disk-vda.qcow2")
    with pytest.raises(StepFailed):
        repository.create_disk_file(an_id(1), "disk-vda.qcow2")
    for name in ("../x", "/etc/x", "..", "a/b", "", "a\0b", "a\n"):
        with pytest.raises(UsageError):
            repository.create_disk_file(an_id(1), name)


def test_a_second_point_of_one_id_is_refused_and_the_first_stands(
    repository: Repository,
) -> None:
    vm = a_vm()
    first = store(repository, vm, 1, data=b"first")
    repository.create_partial(an_id(1))
    disk = a_disk(b"second")
    repository.create_disk_file(an_id(1), disk.file).write_bytes(b"second")
    repository.write_manifest(an_id(1), vm, a_point(1, vm, (disk,)))
    with pytest.raises(StepFailed):
        repository.commit(an_id(1), vm)
    assert (first / "disk-vda.qcow2").read_bytes() == b"first"


def test_dropping_a_partial_point_touches_nothing_else(
    repository: Repository, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    partial = repository.create_partial(an_id(1))
    (partial / "link").symlink_to(outside)
    repository.drop_partial(an_id(1))
    repository.drop_partial(an_id(1))
    assert not partial.exists()
    partial.symlink_to(outside)
    repository.drop_partial(an_id(1))
    assert not partial.is_symlink()
    assert (outside / "kept").read_text() == "kept"
    for hostile in ("..", "../vms", "", "."):
        with pytest.raises(UsageError):
            repository.drop_partial(hostile)


def test_an_unmounted_target_is_never_written_to(
    repository: Repository, tmp_path: Path
) -> None:
    repository.path.rename(tmp_path / "away")
    repository.path.mkdir(mode=0o700)
    with pytest.raises(NotFound):
        repository.create_partial(an_id(1))
    with pytest.raises(NotFound):
        repository.lock(shared=True).__enter__()
    questions: list[Callable[[], object]] = [
        repository.listing,
        repository.partials,
        repository.free_bytes,
        lambda: repository.is_committed(an_id(1), a_vm()),
        lambda: repository.has_partial(an_id(1)),
        lambda: repository.newest(a_vm(), "vda"),
        lambda: repository.next_seq(a_vm()),
        lambda: repository.drop_partial(an_id(1)),
    ]
    for question in questions:
        with pytest.raises(NotFound):
            question()
    other = Repository.open(repository.path, create=True)
    with pytest.raises(PlanRefused, match=other.id):
        repository.create_partial(an_id(1))
    assert list(repository.path.iterdir()) == [repository.path / "vmsnap-tui.json"]


def test_the_newest_failure_or_deepest_success_is_what_is_known(
    repository: Repository,
) -> None:
    store(repository, a_vm(), 1)
    assert repository.find(an_id(1)).verified is None
    deep = Verification(VerifyLevel.CHECKSUMS, "2026-11-20T08:34:12Z", ok=True)
    repository.record_verification(repository.find(an_id(1)), deep)
    assert repository.find(an_id(1)).verified == deep


def test_ids_and_names_are_what_they_are_documented_to_be(
    repository: Repository,
) -> None:
    at = datetime(2026, 11, 20, 8, 34, 12, tzinfo=UTC)
    point_id = repository.new_point_id(at, "1a2b3c4d")
    assert point_id == "20261120T083412Z-1a2b3c4d"
    assert repository.disk_file_name("vda") == "disk-vda.qcow2"
    backing = repository.relative_backing(a_vm(), point_id, "disk-vda.qcow2")
    assert backing == "../20261120T083412Z-1a2b3c4d/disk-vda.qcow2"
    assert repository.free_bytes() > 0
    assert repository.device() == repository.path.stat().st_dev


_COMMIT = """
import os, sys
from pathlib import Path
from tests.repository.material import *
from vmsnap_tui.repository.repository import Repository
killed_at, seen = int(sys.argv[2]), 0
def audit(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.chmod"):
        if str(arguments[0]).startswith(sys.argv[1]):
            seen += 1
            if seen == killed_at:
                os._exit(9)
repository = Repository.open(Path(sys.argv[1]))
sys.addaudithook(audit)
store(repository, a_vm(), 2, parent=1)
print(seen)
"""


def test_a_kill_at_any_instant_leaves_the_point_whole_or_absent(
    repository: Repository,
) -> None:
    """Every operation on the file system is one instant to die before."""
    store(repository, a_vm(), 1)
    outcomes = []
    for instant in range(1, 200):
        command = [sys.executable, "-c", _COMMIT, str(repository.path), str(instant)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        listed = _ids(repository)
        assert listed in ([an_id(1)], [an_id(1), an_id(2)]), done.stderr
        assert not any(isinstance(e, DamagedEntry) for e in repository.listing())
        for entry in listed:
            assert repository.chain(repository.find(entry), "vda")
        outcomes.append(an_id(2) in listed)
        if done.returncode == 0:
            break
        assert done.returncode == 9, done.stderr
        repository.drop_partial(an_id(2))
        if an_id(2) in listed:
            repository.commit(an_id(2), a_vm())
            _remove(repository.find(an_id(2)).directory)
    assert len(outcomes) > 15
    assert outcomes[0] is False
    assert outcomes[-1] is True


def _remove(directory: Path) -> None:
    for entry in directory.iterdir():
        entry.unlink()
    directory.rmdir()


def test_a_full_target_leaves_no_point_and_says_so(repository: Repository) -> None:
    """The file system's own refusal, by the size limit of a process."""
    script = (
        "import resource, sys; from pathlib import Path;"
        "from tests.repository.material import *;"
        "repository = Repository.open(Path(sys.argv[1]));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "store(repository, a_vm(), 1)"
    )
    command = [sys.executable, "-c", script, str(repository.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "StepFailed: the manifest cannot be written" in done.stderr
    assert repository.listing() == ()
    repository.drop_partial(an_id(1))
    assert store(repository, a_vm(), 1).is_dir()


def test_an_unknown_parent_is_a_broken_chain_and_not_a_crash(
    repository: Repository,
) -> None:
    vm = a_vm()
    disk = a_disk(b"abc", parent=Parent(an_id(7), "0" * 64))
    repository.create_partial(an_id(8))
    repository.create_disk_file(an_id(8), disk.file).write_bytes(b"abc")
    repository.write_manifest(an_id(8), vm, a_point(8, vm, (disk,)))
    repository.commit(an_id(8), vm)
    with pytest.raises(DamagedPoint, match="is missing"):
        repository.chain(repository.find(an_id(8)), "vda")

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.material import a_vm
from vmsnap_tui.errors import Locked
from vmsnap_tui.repository.repository import Repository

_HOLD = """
import sys
from pathlib import Path
from vmsnap_tui.repository.repository import Repository
repository = Repository.open(Path(sys.argv[1]))
with repository.lock_vm(sys.argv[2], "backup web-01"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_readers_share_and_a_remover_is_alone(repository: Repository) -> None:
    with repository.lock(shared=True), repository.lock(shared=True):
        with pytest.raises(Locked):
            repository.lock(shared=False).__enter__()
        with repository.lock_vm(a_vm().directory_name):
            pass
    with repository.lock(shared=False), pytest.raises(Locked):
        repository.lock(shared=True).__enter__()


def test_an_error_inside_releases_the_lock(repository: Repository) -> None:
    with pytest.raises(ZeroDivisionError), repository.lock(shared=False):
        raise ZeroDivisionError
    with repository.lock(shared=False):
        pass


def test_the_second_is_told_who_holds_it_and_death_releases_it(
    repository: Repository,
) -> None:
    directory = a_vm().directory_name
    command = [sys.executable, "-c", _HOLD, str(repository.path), directory]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked) as refusal:
            repository.lock_vm(directory).__enter__()
        assert f"process {holder.pid} for backup web-01" in refusal.value.evidence
        assert "since 20" in refusal.value.evidence
        holder.kill()
        holder.wait()
        with repository.lock_vm(directory):
            pass


def test_a_child_process_does_not_inherit_the_lock(repository: Repository) -> None:
    with repository.lock(shared=False):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; print(1, flush=True); sys.stdin.read()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout is not None
        child.stdout.readline()
    with repository.lock(shared=False):
        pass
    child.communicate()


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b"[" * 4000, b'{"pid":"x"}', b"\xff" * 9000]
)
def test_a_record_that_cannot_be_read_is_only_a_missing_name(
    repository: Repository, record: bytes
) -> None:
    with repository.lock(shared=False):
        path: Path = repository.path / "lock" / "repository.lock"
        path.write_bytes(record)
        with pytest.raises(Locked, match="no readable record"):
            repository.lock(shared=True).__enter__()


def test_a_dead_holder_is_not_named(repository: Repository) -> None:
    """The latest of two holders ended: the other one left no record of its own."""
    with repository.lock(shared=False):
        pass
    path = repository.path / "lock" / "repository.lock"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with path.open("r+b") as file:
        record = file.read()
        fcntl.flock(file, fcntl.LOCK_SH)
        start = record.index(b'"pid": ') + 7
        end = record.index(b",", start)
        path.write_bytes(record[:start] + str(ended.pid).encode() + record[end:])
        with pytest.raises(Locked, match="no readable record"):
            repository.lock(shared=False).__enter__()

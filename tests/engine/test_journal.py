"""The journal outlives what it tells of: crashes, full disks, other processes."""

import fcntl
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.material import OPERATION, a_plan, descriptors, done, intent, reopened
from vmsnap_tui.engine.journal import (
    FORMAT,
    KEEP_ENDED_S,
    Journal,
    Journals,
    owner,
)
from vmsnap_tui.engine.machine import Direction, Do, Mark, next_move
from vmsnap_tui.errors import Locked, NotFound

DOCUMENT = Path(__file__).parents[2] / "vmsnap_tui" / "engine" / "JOURNAL.md"


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path / "state")


@pytest.fixture
def journal(journals: Journals) -> Iterator[Journal]:
    created = journals.create(a_plan())
    yield created
    created.close()


# What is kept


def test_what_was_written_is_read_back(journals: Journals, journal: Journal) -> None:
    records = (intent(0), done(0), intent(1))
    for record in records:
        journal.append(record)
    journal.close()
    with reopened(journals) as again:
        assert again.plan == a_plan()
        assert again.records() == records


def test_the_plan_is_on_disk_before_anything_is_done(
    journals: Journals, journal: Journal
) -> None:
    ((header, records, alive),) = journals.unended()
    assert header == journal.header
    assert header.plan == a_plan()
    assert header.format == FORMAT
    assert header.pid == os.getpid()
    assert records == []
    assert alive


def test_every_record_is_on_disk_when_append_returns(journal: Journal) -> None:
    journal.append(intent(0))
    assert journal.path.read_bytes().splitlines()[-1].startswith(b'{"kind":"record"')


def test_a_record_holds_no_more_than_was_said(journal: Journal) -> None:
    journal.append(intent(0))
    assert journal.path.read_bytes().splitlines()[1] == (
        b'{"kind":"record","record":{"index":0,"direction":"forward","mark":"intent"}}'
    )


def test_an_operation_that_ended_is_not_unfinished(
    journals: Journals, journal: Journal
) -> None:
    journal.append(done(3))
    journal.end("done")
    assert list(journals.unended()) == []
    assert journals.damaged() == ()


def test_unfinished_operations_come_oldest_first(journals: Journals) -> None:
    for age_s, operation in ((30, "aaa"), (10, "bbb"), (20, "ccc")):
        created = journals.create(a_plan(operation))
        created.close()
        os.utime(created.path, (1e9 - age_s, 1e9 - age_s))
    found = [header.plan.operation for header, _, _ in journals.unended()]
    assert found == ["aaa", "ccc", "bbb"]


def test_an_operation_is_begun_once(journals: Journals, journal: Journal) -> None:
    with pytest.raises(FileExistsError):
        journals.create(a_plan())
    assert journal.path.stat().st_size > 0


def test_no_state_directory_means_no_operations(journals: Journals) -> None:
    assert list(journals.unended()) == []
    assert journals.damaged() == ()
    with pytest.raises(NotFound):
        journals.open(OPERATION)


def test_the_owner_is_told_with_host_process_and_time(journal: Journal) -> None:
    told = owner(journal.header)
    pattern = r".+@.+, process \d+, since \d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z"
    assert re.fullmatch(pattern, told)


# After a crash


@pytest.mark.parametrize("cut", [1, 2, 20, 60])
def test_a_torn_last_line_is_dropped(
    journals: Journals, journal: Journal, cut: int
) -> None:
    """The effect it was to announce has not begun."""
    journal.append(intent(0))
    journal.append(done(0))
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-cut])
    with reopened(journals) as again:
        assert again.records() == (intent(0),)
        again.append(intent(2))
    with reopened(journals) as again:
        assert again.records() == (intent(0), intent(2))


def test_wherever_it_is_cut_it_is_a_journal_of_what_came_before(
    journals: Journals, journal: Journal
) -> None:
    records = (intent(0), done(0), intent(1), done(1))
    for record in records:
        journal.append(record)
    journal.close()
    whole = journal.path.read_bytes()
    header_bytes = whole.index(b"\n") + 1
    for length in range(header_bytes, len(whole) + 1):
        journal.path.write_bytes(whole[:length])
        ((_, found, _),) = journals.unended()
        lines = whole[header_bytes:length].count(b"\n")
        assert tuple(found) == records[:lines]


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_journal_cut_in_its_header_is_no_operation(
    journals: Journals, journal: Journal, length: int
) -> None:
    """Nothing had been done: it is in nobody's way, and dropped in time."""
    journal.close()
    journal.path.write_bytes(journal.path.read_bytes()[:length])
    assert list(journals.unended()) == []
    assert [path for path, _ in journals.damaged()] == [journal.path] * bool(length)


WITH_LOCK = """
import sys
from pathlib import Path
from vmsnap_tui.engine.journal import Journals
journal = Journals(Path(sys.argv[1])).open(sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(journals: Journals) -> Iterator[subprocess.Popen[str]]:
    """One that has taken the operation over and holds it until its input ends."""
    state = str(journals.directory.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_LOCK, state, OPERATION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process


def test_an_operation_that_another_process_runs_is_locked(
    journals: Journals, journal: Journal
) -> None:
    journal.close()
    with another_process(journals):
        before = descriptors()
        with pytest.raises(Locked) as caught:
            journals.open(OPERATION)
        assert caught.value.cause == f"operation {OPERATION} is being run"
        assert caught.value.evidence == owner(journal.header)
        assert caught.value.remedy
        assert descriptors() == before
        ((_, _, alive),) = journals.unended()
        assert alive


def test_the_lock_dies_with_the_process_that_was_killed(
    journals: Journals, journal: Journal
) -> None:
    journal.close()
    with another_process(journals) as process:
        process.kill()
        process.wait()
    ((_, _, alive),) = journals.unended()
    assert not alive
    with reopened(journals) as again:
        assert again.plan == a_plan()


def test_asking_whether_it_is_run_does_not_take_the_lock(
    journals: Journals, journal: Journal
) -> None:
    journal.close()
    assert [alive for _, _, alive in journals.unended()] == [False]
    with reopened(journals), journal.path.open() as file, pytest.raises(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_closing_twice_closes_nothing_else(journal: Journal) -> None:
    journal.close()
    with journal.path.open() as other:
        journal.close()
        assert other.read(1) == "{"


# On a full disk

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from vmsnap_tui.engine.journal import Journals
from vmsnap_tui.engine.machine import Direction, Mark, Record
journal = Journals(Path(sys.argv[1])).open(sys.argv[2])
size = journal.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 150, size + 150))
for index in (0, 1, 2):
    try:
        journal.append(Record(index, Direction.FORWARD, Mark.INTENT))
    except OSError as error:
        print("refused", index, len(journal.records()))
        break
"""


def test_a_disk_that_fills_up_leaves_a_journal_of_whole_lines(
    journals: Journals, journal: Journal
) -> None:
    """What could not be announced is not begun, and what was is still known."""
    journal.close()
    told = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, journals.directory.parent, OPERATION],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "refused 1 1\n"
    assert journal.path.read_bytes().endswith(b"}\n")
    with reopened(journals) as again:
        assert again.records() == (intent(0),)
        again.append(intent(1))


def test_a_plan_that_cannot_be_written_holds_no_lock(
    journals: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    before = descriptors()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        journals.create(a_plan())
    assert descriptors() == before
    assert list(journals.unended()) == []
    assert journals.damaged() == ()


# Nobody else reads it


@pytest.fixture
def umask_0() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask_0")
def test_journals_are_their_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Also the directories above that had to be made: whoever may write there puts
    another in their place."""
    journals = Journals(tmp_path / "local" / "state" / "vmsnap-tui")
    journal = journals.create(a_plan())
    journal.append(intent(0))
    journal.close()
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    made = [journals.directory, *journals.directory.parents][:4]
    assert made[-1] == tmp_path / "local"
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


def test_a_link_in_a_journal_s_place_is_not_followed(
    journals: Journals, journal: Journal, tmp_path: Path
) -> None:
    journal.close()
    elsewhere = tmp_path / "elsewhere"
    journal.path.rename(elsewhere)
    journal.path.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        journals.open(OPERATION)


# In the course of time


def test_journals_are_dropped_a_month_after_their_end(journals: Journals) -> None:
    now_s = 1.8e9
    ages_s = {"fresh": KEEP_ENDED_S - 60, "old": KEEP_ENDED_S + 60}
    for age, age_s in ages_s.items():
        for state in ("ended", "unended"):
            journal = journals.create(a_plan(f"{age}-{state}"))
            if state == "ended":
                journal.end("done")
            journal.close()
            journals.guard_report(f"{age}-{state}").touch()
            os.utime(journal.path, (now_s - age_s, now_s - age_s))
    journals.drop_old(now_s)
    left = {path.name for path in journals.directory.iterdir()}
    assert left == {
        f"{name}.{suffix}"
        for name in ("fresh-ended", "fresh-unended", "old-unended")
        for suffix in ("jsonl", "guard")
    }


def test_a_damaged_journal_is_never_dropped(journals: Journals) -> None:
    journal = journals.create(a_plan())
    journal.close()
    journal.path.write_bytes(b"?\n")
    os.utime(journal.path, (0, 0))
    journals.drop_old(1.8e9)
    assert journal.path.exists()


def test_a_journal_that_another_process_drops_meanwhile_is_none(
    journals: Journals, journal: Journal
) -> None:
    """Listed and gone: as a link to nowhere is."""
    (journals.directory / "gone.jsonl").symlink_to("/nowhere")
    assert [header.plan for header, _, _ in journals.unended()] == [a_plan()]
    assert journals.damaged() == ()
    journals.drop_old(1.8e9)


# Its description


def _examples() -> list[bytes]:
    text = DOCUMENT.read_bytes()
    return [block.split(b"```")[0] for block in text.split(b"```jsonl\n")[1:]]


def test_the_example_in_the_description_is_a_journal(journals: Journals) -> None:
    (example,) = _examples()
    journals.create(a_plan("warm-up")).close()
    (journals.directory / f"{OPERATION}.jsonl").write_bytes(example)
    with reopened(journals) as journal:
        assert journal.header.format == FORMAT
        assert journal.plan.operation == OPERATION
        assert [r.mark for r in journal.records()] == [
            Mark.INTENT,
            Mark.DONE,
            Mark.INTENT,
            Mark.DONE,
            Mark.INTENT,
            Mark.FAILED,
        ]
        move = next_move(journal.plan, journal.records())
        assert isinstance(move, Do)
        assert move.step.describe() == "remove /to/vda.raw.partial"


def test_the_description_names_every_mark_and_kind() -> None:
    text = DOCUMENT.read_text("utf-8")
    for word in (*Mark, *Direction, "header", "record", "end"):
        assert f"`{word}`" in text, word
    assert f"format {FORMAT}" in text

"""What stands in a journal and should not: damage, other formats, hostile names."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.material import OPERATION, a_plan, descriptors, reopened
from vmsnap_tui.engine.journal import FORMAT, Journal, Journals
from vmsnap_tui.engine.machine import Direction, Mark, Record
from vmsnap_tui.errors import PlanRefused, VmsnapError


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path / "state")


@pytest.fixture
def journal(journals: Journals) -> Iterator[Journal]:
    created = journals.create(a_plan())
    yield created
    created.close()


HEADER = msgspec.json.encode(
    {
        "kind": "header",
        "plan": a_plan(),
        "started_utc": "2026-11-20T08:34:12.345Z",
        "user": "op",
        "host": "h",
        "pid": 1,
        "format": FORMAT,
    }
)
LINE = b'{"kind":"record","record":{"index":%s,"direction":"forward","mark":"%s"}}'

DAMAGED = {
    "not JSON": b"{",
    "empty line": HEADER + b"\n",
    "no plan first": LINE % (b"0", b"intent"),
    "an end alone": b'{"kind":"end","outcome":"done","at_utc":""}',
    "two plans": HEADER + b"\n" + HEADER,
    "unknown kind": HEADER + b'\n{"kind":"wish"}',
    "unknown step": HEADER.replace(b'"check-stored"', b'"format-host"'),
    "unknown mark": HEADER + b"\n" + LINE % (b"0", b"perhaps"),
    "a step that the plan has not": HEADER + b"\n" + LINE % (b"4", b"done"),
    "a step before the first": HEADER + b"\n" + LINE % (b"-1", b"done"),
    "another format": HEADER.replace(b'"format":1', b'"format":2'),
    "no UTF-8": HEADER.replace(b"web-01", b"web-\xff"),
    "half a character": HEADER.replace(b"web-01", b"\\ud800"),
    "nested for ever": HEADER + b"\n" + LINE[:-3] % (b"0", b"done") + b'","output":'
    b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}}}",
    "null bytes": bytes(4096),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_journal_is_named_and_left_alone(
    journals: Journals, journal: Journal, name: str
) -> None:
    journal.close()
    data = DAMAGED[name] + b"\n"
    journal.path.write_bytes(data)
    other = journals.create(a_plan("0123456789ab"))
    other.close()

    found = [header.plan.operation for header, _, _ in journals.unended()]
    assert found == ["0123456789ab"]
    ((path, reason),) = journals.damaged()
    assert path == journal.path
    assert "is not a journal that this version reads (line " in reason
    before = descriptors()
    with pytest.raises(VmsnapError) as caught:
        journals.open(OPERATION)
    assert caught.value.remedy == "read it by eye, then move it away"
    assert descriptors() == before
    assert path.read_bytes() == data


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_not_being_a_journal(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    journals = Journals(tmp_path_factory.mktemp("state"))
    journals.directory.mkdir()
    (journals.directory / "x.jsonl").write_bytes(data)
    assert list(journals.unended()) == []
    assert len(journals.damaged()) == bool(data)


HOSTILE = 'a\nb\r\x00\x1b[2J"}\u2028\u202e{"kind":"end"}'


def test_names_and_errors_do_not_break_out_of_their_line(journals: Journals) -> None:
    journal = journals.create(a_plan(directory=f"/to/{HOSTILE}"))
    record = Record(
        0, Direction.FORWARD, Mark.FAILED, "", HOSTILE, {HOSTILE: [HOSTILE]}
    )
    journal.append(record)
    journal.close()
    assert len(journal.path.read_bytes().splitlines()) == 2
    with reopened(journals) as again:
        assert again.plan == journal.plan
        assert again.records() == (record,)


def test_an_error_that_is_no_text_is_kept_as_far_as_it_is(journals: Journals) -> None:
    """The run goes on: a guest may be frozen at that very moment."""
    journal = journals.create(a_plan())
    journal.append(
        Record(0, Direction.FORWARD, Mark.FAILED, "", "no \udcff", {"\ud800": "é"})
    )
    journal.close()
    with reopened(journals) as again:
        (record,) = again.records()
        assert (record.error, record.output) == ("no ?", {"?": "é"})


def test_a_plan_that_is_no_text_is_refused_before_anything_is_done(
    journals: Journals,
) -> None:
    """Read back with another name in it, it would remove another file."""
    with pytest.raises(PlanRefused) as caught:
        journals.create(a_plan(directory="/to/\udcff"))
    assert caught.value.evidence == r"'\udcff'"
    assert caught.value.remedy
    assert list(journals.unended()) == []

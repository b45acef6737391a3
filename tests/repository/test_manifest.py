import hashlib
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.repository.material import a_disk, a_point, a_vm, an_id
from vmsnap_tui.errors import DamagedPoint
from vmsnap_tui.model.point import ExcludedDisk, Parent, Point
from vmsnap_tui.repository.manifest import (
    LIMIT_BYTES,
    canonical,
    decode,
    encode,
    stored_seq,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def _point() -> Point:
    parent = Parent(an_id(1), "a" * 64)
    disks = (a_disk(b"abc"), a_disk(b"def", "vdb", parent))
    return a_point(2, a_vm(), disks)


def _signed(document: dict[str, Any]) -> bytes:
    """A manifest that is wrong in everything but form and digest."""
    document.pop("digest", None)
    digest = hashlib.sha256(canonical(document)).hexdigest()
    return canonical(document | {"digest": digest})


@given(_TEXT, _TEXT, _TEXT, st.none() | st.floats(0, 1e6))
def test_what_is_written_is_read_back(
    name: str, reason: str, warning: str, window: float | None
) -> None:
    point = replace(
        _point(),
        vm_name=name,
        excluded=(ExcludedDisk("sr0", reason),),
        warnings=(warning,),
        freeze_window_s=window,
    )
    assert decode(encode(point)) == point


def test_the_form_is_canonical_and_readable_without_the_program() -> None:
    data = encode(_point())
    read = json.loads(data)
    assert read["format"] == 1
    assert read["kind"] == "vmsnap-point"
    assert data.endswith(b"}\n")
    assert list(read) == sorted(read)
    assert data == canonical(msgspec.json.decode(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"\xef\xbb\xbf{}",
        b'{"format":NaN}',
        b"\xff\xfe",
        b'{"a":"\\ud800"}',
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"a":1e999}',
        b'{"a":' + b"9" * 100_000 + b"}",
        b" " * (LIMIT_BYTES + 1),
    ],
)
def test_what_is_no_manifest_is_damaged_with_a_reason(data: bytes) -> None:
    with pytest.raises(DamagedPoint) as failure:
        decode(data)
    assert failure.value.evidence
    assert stored_seq(data) == 0


def test_duplicate_keys_and_other_forms_are_refused() -> None:
    data = encode(_point())
    twice = data.replace(b'  "seq": 2,', b'  "seq": 1,\n  "seq": 2,')
    compact = msgspec.json.format(data, indent=-1)
    for other in (twice, compact, data + b"\n", data + data, data[:-1]):
        assert other != data
        with pytest.raises(DamagedPoint):
            decode(other)


def test_every_single_changed_byte_is_noticed() -> None:
    data = encode(_point())
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(DamagedPoint):
            decode(bytes(changed))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"kind": "other"},
        {"seq": "1"},
        {"seq": 0},
        {"seq": -1},
        {"seq": 1.5},
        {"seq": True},
        {"id": "../../etc/passwd"},
        {"vm_key": ""},
        {"created_utc": "yesterday"},
        {"created_utc": "2026-11-20T08:34:12+02:00"},
        {"consistency": "perfect"},
        {"freeze_window_s": -1},
        {"disks": []},
        {"disks": {}},
        {"disks": [{}]},
        {"disks": None},
        {"warnings": [1]},
    ],
)
def test_wrong_values_are_refused_even_under_a_right_digest(
    change: dict[str, Any],
) -> None:
    document = json.loads(encode(_point())) | change
    with pytest.raises(DamagedPoint):
        decode(_signed(document))


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../disk-vda.qcow2"},
        {"file": "/etc/shadow"},
        {"file": ".."},
        {"file": "disk-vda.qcow2"},
        {"target": "vda"},
        {"sha256": "A" * 64},
        {"sha256": "a" * 63},
        {"bytes": -1},
        {"bytes": 0},
        {"virtual_bytes": 2**63},
        {"level": "full"},
        {"level": "incremental", "parent": None},
        {"parent": {"point": "..", "sha256": "a" * 64}},
        {"parent": {"point": an_id(1), "sha256": ""}},
        {"parent": an_id(1)},
    ],
)
def test_a_disk_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(encode(_point()))
    document["disks"][1] |= change
    with pytest.raises(DamagedPoint):
        decode(_signed(document))


def test_keys_of_later_writers_are_read_over() -> None:
    document = json.loads(encode(_point())) | {"later": {"a": 1}}
    assert decode(_signed(document)) == _point()


def test_a_point_that_no_reader_would_take_is_not_written() -> None:
    for wrong in (
        replace(_point(), seq=0),
        replace(_point(), freeze_window_s=float("nan")),
        replace(_point(), disks=()),
        replace(_point(), vm_name="\ud800"),
    ):
        with pytest.raises(ValueError):
            encode(wrong)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(sorted(json.loads(encode(_point())))), _JSON))
def test_no_document_does_more_than_be_refused(change: dict[str, Any]) -> None:
    data = json.dumps(json.loads(encode(_point())) | change).encode()
    try:
        signed = _signed(msgspec.json.decode(data))
    except (msgspec.MsgspecError, ValueError):
        signed = data
    for hostile in (data, signed):
        try:
            decode(hostile)
        except DamagedPoint as error:
            assert error.evidence
        assert stored_seq(hostile) >= 0


@given(st.binary())
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(DamagedPoint):
        decode(data)

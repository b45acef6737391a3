"""Checkpoint XML, with and without sizes, becomes checkpoints and records."""

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.libvirt.domain_texts import HOSTILE
from vmsnap_tui.backends.libvirt.checkpoint_xml import (
    BROKEN,
    TrackedDisk,
    asked_record,
    operation_of,
    parse_checkpoint,
)
from vmsnap_tui.model.checkpoint import Checkpoint, Record

_CHECKPOINT = """
<domaincheckpoint>
  <name>{name}</name>
  <description>{description}</description>
  <parent><name>vmsnap-1</name></parent>
  <creationTime>1795181601</creationTime>
  <disks>
    <disk name='vda' checkpoint='bitmap' bitmap='cp2' size='196608'/>
    <disk name='vdb' checkpoint='bitmap' bitmap='cp2'/>
    <disk name='vdc' checkpoint='no'/>
  </disks>
</domaincheckpoint>
"""


def test_a_checkpoint_tracks_the_disks_that_have_a_bitmap() -> None:
    text = _CHECKPOINT.format(name="cp2", description="nightly")
    found = parse_checkpoint(text, current=True)
    assert found.checkpoint == Checkpoint(
        name="cp2",
        created_utc="2026-11-20T13:33:21.000Z",
        disks=("vda", "vdb"),
        parent="vmsnap-1",
        description="nightly",
        current=True,
    )
    assert found.disks == (
        TrackedDisk("vda", "cp2", 196608),
        TrackedDisk("vdb", "cp2", None),
    )


def test_a_disk_without_a_size_has_no_whole_record() -> None:
    whole = asked_record("cp2", TrackedDisk("vda", "cp2", 196608))
    assert whole == Record("cp2", 196608)
    assert whole.whole
    broken = asked_record("cp2", TrackedDisk("vdb", "cp2", None))
    assert broken == Record("cp2", broken=BROKEN)
    assert not broken.whole


def test_the_description_of_ours_names_the_operation() -> None:
    assert operation_of("vmsnap-tui operation 0123456789ab") == "0123456789ab"
    assert operation_of("vmsnap-tui operation 0123456789ab, x") == "0123456789ab"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nightly",
        "vmsnap-tui operation 0123456789abc",
        "vmsnap-tui operation ../../../etc",
        "not vmsnap-tui operation 0123456789ab",
    ],
)
def test_any_other_description_names_none(text: str) -> None:
    assert operation_of(text) is None


@given(st.text())
def test_an_operation_is_always_twelve_hex_digits(text: str) -> None:
    found = operation_of(f"vmsnap-tui operation {text}")
    assert found is None or (len(found) == 12 and int(found, 16) >= 0)


def test_a_hostile_name_comes_through_as_it_is() -> None:
    text = _CHECKPOINT.format(name=escape(HOSTILE), description=escape(HOSTILE))
    checkpoint = parse_checkpoint(text).checkpoint
    assert (checkpoint.name, checkpoint.description) == (HOSTILE, HOSTILE)

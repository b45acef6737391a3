"""Snapshot XML becomes snapshots."""

from xml.sax.saxutils import escape

import pytest

from tests.backends.libvirt.domain_texts import HOSTILE, RUNNING_9_0
from vmsnap_tui.backends.libvirt.snapshot_xml import parse_snapshot
from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind

_SNAPSHOT = """
<domainsnapshot>
  <name>{name}</name>
  <description>before the upgrade</description>
  <state>{state}</state>
  <parent><name>s1</name></parent>
  <creationTime>1795181601</creationTime>
  {memory}
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'/><source file='/img/web.s2'/>
    </disk>
    <disk name='vdb' snapshot='internal'/>
    <disk name='vdc' snapshot='no'/>
    <disk name='vdd' snapshot='manual'/>
    <disk name='vde' snapshot='external' type='block'>
      <source dev='/dev/vg/s2'/>
    </disk>
  </disks>
  {domain}
</domainsnapshot>
"""


def _text(name: str = "s2", state: str = "disk-snapshot", memory: str = "") -> str:
    return _SNAPSHOT.format(
        name=escape(name), state=state, memory=memory, domain=RUNNING_9_0
    )


def test_each_disk_takes_part_in_its_own_way() -> None:
    assert parse_snapshot(_text(), current=True) == Snapshot(
        name="s2",
        created_utc="2026-11-20T13:33:21.000Z",
        state="disk-snapshot",
        disks=(
            SnapshotDisk("vda", SnapshotKind.EXTERNAL, "/img/web.s2"),
            SnapshotDisk("vdb", SnapshotKind.INTERNAL),
            SnapshotDisk("vdc", SnapshotKind.NONE),
            SnapshotDisk("vdd", SnapshotKind.NONE),
            SnapshotDisk("vde", SnapshotKind.EXTERNAL, "/dev/vg/s2"),
        ),
        parent="s1",
        description="before the upgrade",
        current=True,
    )


@pytest.mark.parametrize(
    ("memory", "kept"),
    [
        ("", False),
        ("<memory snapshot='no'/>", False),
        ("<memory snapshot='internal'/>", True),
        ("<memory snapshot='external' file='/m'/>", True),
    ],
)
def test_memory_is_kept_or_not(memory: str, kept: bool) -> None:
    assert parse_snapshot(_text(memory=memory)).memory is kept


def test_a_hostile_name_comes_through_as_it_is() -> None:
    assert parse_snapshot(_text(HOSTILE)).name == HOSTILE

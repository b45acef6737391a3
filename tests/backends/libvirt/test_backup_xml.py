"""The XML of a running backup tells its disks, their files and whose it is."""

import pytest

from vmsnap_tui.backends.libvirt.backup_xml import BackupDisk, parse_backup

_POINT = "20261120T133321Z-0a1b2c3d"
_PUSH = """
<domainbackup mode='push'>
  <incremental>vmsnap-1</incremental>
  <disks>
    <disk name='vda' backup='yes' type='file' backupmode='incremental'
          incremental='vmsnap-1' index='11'>
      <driver type='qcow2'/>
      <target file='{directory}/disk-vda.qcow2'/>
    </disk>
    <disk name='vdb' backup='yes' type='file' backupmode='full' index='12'>
      <driver type='qcow2'/>
      <target file='{directory}/disk-vdb.qcow2'/>
    </disk>
    <disk name='vdc' backup='no'/>
  </disks>
</domainbackup>
"""
_PULL = """
<domainbackup mode='pull'>
  <server transport='unix' socket='/img/s.sock'/>
  <disks>
    <disk name='vda' backup='yes' type='file' backupmode='full' exportname='vda'>
      <driver type='qcow2'/>
      <scratch file='/repo/tmp/x/scr.vda'/>
    </disk>
  </disks>
</domainbackup>
"""


def test_a_push_tells_each_disks_target_and_level() -> None:
    found = parse_backup(_PUSH.format(directory="/b"))
    assert (found.mode, found.incremental) == ("push", "vmsnap-1")
    assert found.disks == (
        BackupDisk("vda", "/b/disk-vda.qcow2", "vmsnap-1"),
        BackupDisk("vdb", "/b/disk-vdb.qcow2"),
    )
    assert found.disk("vda") == found.disks[0]
    assert found.disk("vdc") is None


def test_a_pull_tells_its_scratch_files_and_is_never_ours() -> None:
    found = parse_backup(_PULL)
    assert found.disks == (BackupDisk("vda", "/repo/tmp/x/scr.vda"),)
    assert found.point == ""


@pytest.mark.parametrize(
    ("directory", "point"),
    [
        (f"/repo/tmp/{_POINT}", _POINT),
        (f"/repo/points/{_POINT}", ""),
        ("/tmp", ""),
        ("/b", ""),
    ],
)
def test_the_point_is_told_by_where_the_targets_lie(directory: str, point: str) -> None:
    assert parse_backup(_PUSH.format(directory=directory)).point == point


def test_targets_in_two_directories_are_of_no_point() -> None:
    text = _PUSH.format(directory=f"/repo/tmp/{_POINT}")
    other = text.replace(f"{_POINT}/disk-vdb", "other/disk-vdb")
    assert parse_backup(other).point == ""
    assert parse_backup("<domainbackup/>").point == ""

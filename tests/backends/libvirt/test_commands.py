import subprocess
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from vmsnap_tui.backends.libvirt import commands
from vmsnap_tui.backends.libvirt.backup_xml import parse_backup
from vmsnap_tui.backends.libvirt.checkpoint_xml import operation_of, parse_checkpoint
from vmsnap_tui.backends.libvirt.commands import LibvirtWire
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Vm, VmState

HOSTILE = "/r/a'b\"c<d>&e$(id)`x`\n XML3\nXML3\n/tmp/p1/disk.qcow2"
NAME = "vmsnap-0a1b2c-20261120T133100Z-deadbeef"
FULL = DiskInstant(
    target="vda",
    file=HOSTILE,
    target_node="t0",
    level=DiskLevel.FULL,
    bitmap=NAME,
    persistent=True,
    scratch_bitmap=f"{NAME}-scratch",
    merge=(),
)
SINCE = replace(
    FULL,
    target="vdb",
    file="/r/tmp/p1/disk-vdb.qcow2",
    level=DiskLevel.INCREMENTAL,
    merge=(RecordedIn("vdb", "vmsnap-old"),),
)
UNTRACKED = replace(FULL, target="vdc", file="/r/tmp/p1/disk-vdc.qcow2", bitmap="")
INSTANT = BackupInstant("0123456789ab", (FULL, SINCE, UNTRACKED))
VM = Vm(
    name="; rm -rf /",
    uuid="82c767cf-8af1-5cb8-baf5-c911a2b607c5",
    connection="qemu:///system",
    state=VmState.RUNNING,
    status="running",
    disks=(),
)


def test_backup_names_each_disk_with_its_file_and_its_start() -> None:
    found = parse_backup(commands.backup_xml(INSTANT))
    assert found.mode == "push"
    assert [(d.target, d.file, d.incremental) for d in found.disks] == [
        ("vda", HOSTILE, ""),
        ("vdb", SINCE.file, "vmsnap-old"),
        ("vdc", UNTRACKED.file, ""),
    ]


def test_checkpoint_has_the_tracked_disks_and_names_its_operation() -> None:
    found = parse_checkpoint(commands.checkpoint_xml(INSTANT)).checkpoint
    assert (found.name, found.disks) == (NAME, ("vda", "vdb"))
    assert operation_of(found.description) == "0123456789ab"


def test_no_checkpoint_where_no_disk_is_tracked() -> None:
    assert commands.checkpoint_xml(replace(INSTANT, disks=(UNTRACKED,))) == ""


def test_adopted_checkpoint_has_the_time_of_its_point_and_the_definition() -> None:
    xml = commands.adopted_xml(NAME, ("vda",), "<domain><name>&lt;x</name></domain>")
    found = parse_checkpoint(xml).checkpoint
    assert found.created_utc == "2026-11-20T13:31:00.000Z"
    assert found.disks == ("vda",)
    assert ElementTree.fromstring(xml).findtext("domain/name") == "<x"


@pytest.mark.parametrize("name", ["vmsnap-x", "vmsnap-x-20269999T999999Z-aa"])
def test_a_name_without_a_time_is_taken_all_the_same(name: str) -> None:
    assert "<creationTime>0<" in commands.adopted_xml(name, (), "<domain/>")


def test_mark_tells_its_run_and_when_the_backup_began() -> None:
    assert commands.mark_run(commands.mark(INSTANT, 7)) == 7
    assert commands.mark_began_s(commands.mark(INSTANT, 7)) is None
    assert commands.mark_began_s(commands.mark(INSTANT, 7, 12.5)) == 12.5


@pytest.mark.parametrize("xml", ["<backup", "<backup/>", "<backup run='²'/>"])
def test_a_mark_that_somebody_else_wrote_is_of_no_run(xml: str) -> None:
    assert commands.mark_run(xml) is None
    assert commands.mark_began_s(xml) is None


def test_what_every_job_of_a_disk_ends_with() -> None:
    assert INSTANT.job_ids[0].endswith(commands.job_suffix("vda"))
    assert commands.job_suffix("a b") == "-a_b"


def test_previews_are_lines_that_a_shell_takes_as_they_are() -> None:
    wire = LibvirtWire("qemu:///system?socket=/a b")
    limited = replace(INSTANT, speed_bytes_per_s=1 << 20)
    lines = [
        *wire.definition(VM),
        *wire.attach_targets(VM, limited),
        *wire.start_backup(VM, limited),
        *wire.finalize_jobs(VM, limited),
        *wire.detach_targets(VM, limited),
        *wire.drop_bitmaps(
            VM, (("vda", NAME), ("vdb", NAME), ("vda", f"{NAME}-scratch"))
        ),
        *wire.freeze(VM),
        *wire.thaw(VM),
        *wire.adopt_checkpoint(VM, NAME, ("vda",)),
    ]
    for line in lines:
        assert line.split()[0] in {"virsh", "setfacl", "chmod"}
        said = subprocess.run(
            ["bash", "-n"], input=line, text=True, capture_output=True
        )
        assert said.stderr == ""
    assert sum("checkpoint-delete" in line for line in lines) == 1
    assert sum("blockjob" in line for line in lines) == 3


def test_no_name_ends_the_document_that_it_is_in() -> None:
    name = "vmsnap-x\nXML3\nrm -rf /\n"
    (line,) = LibvirtWire("qemu:///system").adopt_checkpoint(VM, name, ("vda",))
    said = subprocess.run(
        ["bash"],
        input="virsh() { cat /dev/fd/3; }\n" + line,
        text=True,
        capture_output=True,
        check=True,
    )
    assert parse_checkpoint(said.stdout).checkpoint.name == name
    assert said.stderr == ""


def test_the_shell_hands_over_the_very_documents() -> None:
    """A file's name cannot end the document it is in."""
    instant = replace(INSTANT, disks=(replace(FULL, file=HOSTILE),))
    (line,) = LibvirtWire("qemu:///system").start_backup(VM, instant)
    said = subprocess.run(
        ["bash"],
        input="virsh() { cat /dev/fd/3; echo ====; cat /dev/fd/4; }\n" + line,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    backup, checkpoint = said.split("====\n")
    assert parse_backup(backup).disks[0].file == HOSTILE
    assert parse_checkpoint(checkpoint).checkpoint.name == NAME

"""Domain XML of three versions becomes the same kind of definition."""

from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.libvirt.domain_texts import (
    HOSTILE,
    OFF_12_8,
    RUNNING_9_0,
    RUNNING_11_3,
)
from vmsnap_tui.backends.libvirt.domain_xml import Layer, Mirror, parse_domain

XML_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
)


def test_a_chain_runs_from_the_active_image_to_the_base() -> None:
    vda = parse_domain(RUNNING_9_0).disks[0]
    assert vda.layers == (
        Layer("/img/web.s2", "qcow2", 8, "file"),
        Layer("/img/web.s1", "qcow2", 7, "file"),
        Layer("/dev/vg/web", "raw", 5, "block"),
    )
    assert (vda.target, vda.device, vda.alias) == ("vda", "disk", "virtio-disk0")
    assert vda.mirror is None
    assert not (vda.read_only or vda.shareable)


def test_a_chain_is_whole_where_it_is_told_to_end() -> None:
    assert parse_domain(RUNNING_9_0).disks[0].whole
    assert not parse_domain(OFF_12_8).disks[0].whole
    below = (
        "<backingStore type='file'><format type='qcow2'/><source file='/img/s1'/>"
        "{}</backingStore>\n      <target dev='vda'"
    )
    for end, whole in (("", False), ("<backingStore/>", True)):
        told = OFF_12_8.replace("<target dev='vda'", below.format(end))
        vda = parse_domain(told).disks[0]
        assert (len(vda.layers), vda.whole) == (2, whole)


def test_a_raw_image_and_an_empty_drive_stand_on_nothing() -> None:
    raw = OFF_12_8.replace("type='qcow2'", "type='raw'")
    assert all(disk.whole for disk in parse_domain(raw).disks)


def test_a_mirror_is_known_with_its_target() -> None:
    vdb = parse_domain(RUNNING_9_0).disk("vdb")
    assert vdb is not None
    assert vdb.shareable
    assert vdb.mirror == Mirror("copy", "/img/copy.qcow2", 9, ready=True)
    sda = parse_domain(RUNNING_11_3).disk("sda")
    assert sda is not None
    assert sda.mirror == Mirror("active-commit", "/img/base", 3, ready=False)


def test_an_empty_drive_has_no_layers() -> None:
    hdb = parse_domain(RUNNING_9_0).disk("hdb")
    assert hdb is not None
    assert (hdb.layers, hdb.read_only, hdb.device) == ((), True, "cdrom")
    assert parse_domain(RUNNING_9_0).disk("vdz") is None


def test_a_source_that_is_no_file_has_a_name_like_qemus() -> None:
    paths = [disk.layers[0].path for disk in parse_domain(RUNNING_11_3).disks]
    assert paths == [
        "rbd://mon1:6789/pool/db",
        "nbd+unix:///data?socket=/run/nbd.sock",
        "iscsi/unit:0:0:1",
        "/run/vhost.sock",
    ]


def test_who_the_domain_is_and_how_it_runs() -> None:
    found = parse_domain(RUNNING_9_0)
    assert found.name == "web-01"
    assert found.uuid == "22ba86cd-6bf8-4681-a1ed-93609df63086"
    assert found.domain_id == 7
    assert found.dac_label == "+64055:+64055"
    assert not found.uefi
    assert parse_domain(RUNNING_11_3).uefi
    assert parse_domain(OFF_12_8).domain_id is None


@pytest.mark.parametrize(
    ("xml", "agent"),
    [(RUNNING_9_0, "disconnected"), (RUNNING_11_3, None), (OFF_12_8, "")],
)
def test_the_agents_channel_is_told_from_others(xml: str, agent: str | None) -> None:
    assert parse_domain(xml).agent == agent


@pytest.mark.parametrize(
    ("xml", "version"),
    [(RUNNING_9_0, (7, 2)), (RUNNING_11_3, (10, 0)), (OFF_12_8, (0, 0))],
)
def test_a_machine_type_tells_qemus_version_where_it_is_qemus_own(
    xml: str, version: tuple[int, int]
) -> None:
    assert parse_domain(xml).machine_version == version


def test_a_mark_of_ours_tells_the_operation_of_a_point() -> None:
    found = parse_domain(RUNNING_9_0)
    assert found.marked("20261120T133321Z-0a1b2c3d") == "0123456789ab"
    assert found.marked("20260101T000000Z-0a1b2c3d") is None
    assert found.marked("") is None


def test_a_data_file_is_no_image_of_the_chain() -> None:
    vda = parse_domain(OFF_12_8).disks[0]
    assert vda.layers == (Layer("/img/win11.qcow2", "qcow2", None, "file"),)


@given(XML_TEXT, XML_TEXT.filter(bool))
def test_any_name_comes_through_as_it_is(name: str, path: str) -> None:
    found = parse_domain(_named(name, path))
    assert found.name == name
    assert found.disks[0].layers[0].path == path


def test_a_hostile_name_comes_through_as_it_is() -> None:
    assert parse_domain(_named(HOSTILE, HOSTILE)).name == HOSTILE


def test_a_chain_without_end_is_cut() -> None:
    nested = "<backingStore><format type='raw'/><source file='x'/>"
    depth = 1100
    chain = nested * depth + "</backingStore>" * depth
    disk = f"<disk type='file'><source file='a'/>{chain}<target dev='vda'/></disk>"
    found = parse_domain(f"<domain><devices>{disk}</devices></domain>")
    assert len(found.disks[0].layers) == 1000


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(ElementTree.ParseError):
        parse_domain("<domain><name>\x00</name></domain>")


def _named(name: str, path: str) -> str:
    file = quoteattr(path, {"\n": "&#10;"})
    return (
        f"<domain><name>{escape(name)}</name><devices><disk type='file'>"
        f"<source file={file}/><target dev='vda'/></disk></devices></domain>"
    )


@pytest.mark.parametrize(
    ("device", "has"),
    [
        ("<disk><driver name='qemu' type='qcow2'/></disk>", False),
        ("<disk><driver name='qemu' iothread='1'/></disk>", True),
        (
            "<disk><driver><iothreads><iothread id='1'/></iothreads></driver></disk>",
            True,
        ),
        ("<controller type='scsi'><driver iothread='2'/></controller>", True),
        ("<controller type='scsi'/>", False),
    ],
)
def test_a_thread_of_its_own_is_found_with_disk_and_controller(
    device: str, has: bool
) -> None:
    found = parse_domain(f"<domain><devices>{device}</devices></domain>")
    assert found.io_threads is has

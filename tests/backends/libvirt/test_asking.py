"""What is asked of libvirt in one go."""

import asyncio
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest

from tests.conftest import StartDomain
from vmsnap_tui.backends.libvirt import asking, event_thread
from vmsnap_tui.backends.libvirt.domain_xml import Definition
from vmsnap_tui.backends.libvirt.portrait import OFF, Size
from vmsnap_tui.model.disk import DiskIo

_XML = """
<domain type='test'><name>{name}</name><memory>1024</memory>
<os><type>hvm</type></os><devices><disk type='file' device='disk'>
<source file='/img/{name}'/><target dev='vda'/></disk></devices></domain>
"""


@pytest.fixture
def connection() -> Iterator[Any]:
    event_thread.start()
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


def test_a_census_finds_every_domain_and_its_state(connection: Any) -> None:
    off = connection.defineXML(_XML.format(name="off-01"))
    found = {seen.name: seen for seen in asking.census(connection)}
    assert set(found) == {"test", "off-01"}
    assert (found["off-01"].run, found["off-01"].state[0]) == (None, 5)
    assert found["off-01"].uuid == off.UUIDString()
    assert (found["test"].run, found["test"].state[0]) == (1, 1)
    off.undefine()


def test_a_domain_that_went_meanwhile_is_left_out(connection: Any) -> None:
    gone = connection.defineXML(_XML.format(name="gone-01"))
    handles = [seen.handle for seen in asking.census(connection)]
    gone.undefine()
    found = asking.definitions(connection, handles)
    assert sorted(d.name if d else "" for d in found) == ["", "test"]


class _Broken:
    """A domain whose XML is none, as a daemon of tomorrow might tell it."""

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        return "<domain"

    def name(self) -> str:
        return "odd"

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return "u"

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return -1


def test_a_definition_that_is_not_understood_hides_no_other() -> None:
    found = asking.definition(_Broken())
    assert (found.name, found.uuid, found.domain_id) == ("odd", "u", None)
    assert "not understood" in found.not_understood


def test_a_driver_without_jobs_has_none(connection: Any) -> None:
    [seen] = asking.census(connection)
    known = Definition("test", seen.uuid, 1)
    assert not asking.job_facts(connection, seen.uuid, known).any


def test_a_look_at_what_is_off_asks_the_file(connection: Any) -> None:
    off = connection.defineXML(_XML.format(name="off-02"))
    sight = asking.look(connection, off.UUIDString(), lambda _: False)
    assert sight.definition.name == "off-02"
    assert not sight.jobs.any
    assert sight.io == {}
    off.undefine()


def test_statistics_tell_each_layer_and_the_io_of_the_top() -> None:
    stats = {
        "block.count": 3,
        "block.0.name": "vda",
        "block.0.path": "/img/top",
        "block.0.wr.reqs": 3,
        "block.0.wr.bytes": 4096,
        "block.0.wr.times": 2_000_000_000,
        "block.0.allocation": 5,
        "block.0.capacity": 64,
        "block.0.physical": 8,
        "block.1.name": "vda",
        "block.1.path": "/img/base",
        "block.1.capacity": 64,
        "block.1.physical": 16,
        "block.2.name": "hda",
        "block.2.wr.bytes": 0,
    }
    sizes, io = asking.statistics(stats)
    assert sizes == {
        ("vda", "/img/top"): Size(64, 8),
        ("vda", "/img/base"): Size(64, 16),
    }
    assert io == {"vda": DiskIo(4096, 3, 2.0), "hda": DiskIo(0, 0, 0.0)}
    assert asking.statistics({}) == ({}, {})


@pytest.mark.libvirt
async def test_a_look_needs_no_more_than_the_right_to_read(domain: StartDomain) -> None:
    web = await domain()
    await web.libvirtd.virsh("checkpoint-create-as", "web-01", "cp1")
    event_thread.start()
    connection = libvirt.openReadOnly(web.libvirtd.read_only_uri)
    sight = await asyncio.to_thread(asking.look, connection, web.uuid, lambda _: False)
    assert sight.checkpoints is not None
    [asked] = sight.checkpoints
    assert (asked.not_asked, asked.xml.disks[0].dirty_bytes) == ("", 0)
    assert sight.snapshots == ()
    assert sight.sizes
    connection.close()


@pytest.mark.libvirt
async def test_a_domain_that_was_stopped_meanwhile_is_looked_at_as_off(
    domain: StartDomain,
) -> None:
    web = await domain()
    await web.libvirtd.virsh("checkpoint-create-as", "web-01", "cp1")
    event_thread.start()
    connection = libvirt.open(web.connection)
    known = await asyncio.to_thread(
        lambda: asking.definition(connection.lookupByUUIDString(web.uuid))
    )
    await web.destroy()
    tally = await asyncio.to_thread(asking.count, connection, web.uuid, known, False)
    assert not tally.jobs.any
    sight = await asyncio.to_thread(asking.look, connection, web.uuid, lambda _: False)
    assert sight.checkpoints is not None
    assert [asked.not_asked for asked in sight.checkpoints] == [OFF]
    assert sight.sizes
    connection.close()

"""Events become values with readable names, whoever caused them."""

import threading
from collections.abc import Iterator

import libvirt
import pytest

from vmsnap_tui.backends.libvirt import event_thread
from vmsnap_tui.backends.libvirt.heard import _KINDS, Heard, _details, _word, listen
from vmsnap_tui.backends.libvirt.lane import hang_up

_XML = (
    "<domain type='test'><name>{}</name><memory>1024</memory>"
    "<os><type>hvm</type></os></domain>"
)


class _Told:
    """What was heard, and a way to wait for it."""

    def __init__(self) -> None:
        self.all: list[Heard] = []
        self._more = threading.Condition()

    def __call__(self, heard: Heard) -> None:
        with self._more:
            self.all.append(heard)
            self._more.notify_all()

    def wait_for(self, name: str, **data: object) -> Heard:
        def found() -> Heard | None:
            return next(
                (
                    heard
                    for heard in self.all
                    if heard.name == name and data.items() <= heard.data.items()
                ),
                None,
            )

        with self._more:
            assert self._more.wait_for(lambda: found() is not None, 10), self.all
        heard = found()
        assert heard is not None
        return heard


@pytest.fixture
def told() -> Iterator[_Told]:
    """What a connection of its own to libvirt's driver for tests tells."""
    event_thread.start()
    connection = libvirt.open("test:///default")
    told = _Told()
    listen(connection, told, monitor=False)
    yield told
    hang_up(connection)


def test_what_another_connection_does_is_heard_in_words(told: _Told) -> None:
    other = libvirt.open("test:///default")
    domain = other.defineXML(_XML.format("heard-1"))
    domain.create()
    domain.suspend()
    domain.resume()
    domain.destroy()
    domain.undefine()
    heard = told.wait_for("lifecycle", event="undefined", detail="removed")
    assert (heard.domain_name, heard.domain_uuid) == ("heard-1", domain.UUIDString())
    assert [
        (one.data["event"], one.data["detail"])
        for one in told.all
        if one.domain_name == "heard-1"
    ] == [
        ("defined", "added"),
        ("started", "booted"),
        ("suspended", "paused"),
        ("resumed", "unpaused"),
        ("stopped", "destroyed"),
        ("undefined", "removed"),
    ]
    assert heard.at_s > 1.7e9


def test_a_note_on_a_machine_is_heard_with_its_uri(told: _Told) -> None:
    other = libvirt.open("test:///default")
    domain = other.lookupByName("test")
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        "<x/>",
        "v",
        "urn:vmsnap-tui:x",
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    told.wait_for("metadata-change", type="element", uri="urn:vmsnap-tui:x")


@pytest.mark.parametrize(
    ("name", "values", "data"),
    [
        ("lifecycle", (3, 2), {"event": "suspended", "detail": "io-error"}),
        ("lifecycle", (99, 7), {"event": "99", "detail": "7"}),
        (
            "block-job",
            ("vda", 5, 0),
            {"disk": "vda", "type": "backup", "status": "completed"},
        ),
        (
            "block-job",
            ("vda", 9, 9),
            {"disk": "vda", "type": "9", "status": "9"},
        ),
        ("job-completed", ({"success": True},), {"success": True}),
        ("agent-lifecycle", (1, 2), {"state": "connected", "reason": "channel"}),
        (
            "block-threshold",
            ("vda", None, 5, 1),
            {"disk": "vda", "path": "", "threshold_bytes": 5, "excess_bytes": 1},
        ),
        (
            "io-error",
            ("/d/vda", "virtio-disk0", 1, "enospc"),
            {
                "path": "/d/vda",
                "device": "virtio-disk0",
                "action": "pause",
                "reason": "enospc",
            },
        ),
        ("metadata-change", (1, None), {"type": "title", "uri": ""}),
        (
            "disk-change",
            ("/a", None, "ide0", 0),
            {
                "old_path": "/a",
                "new_path": "",
                "device": "ide0",
                "reason": "missing-on-start",
            },
        ),
        ("device-added", ("virtio-disk1",), {"device": "virtio-disk1"}),
        ("device-removed", ("virtio-disk1",), {"device": "virtio-disk1"}),
    ],
)
def test_each_kind_is_read_into_named_values(
    name: str, values: tuple[object, ...], data: dict[str, object]
) -> None:
    (read,) = [read for _, kind, read in _KINDS if kind == name]
    assert read(*values) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (None, {}),
        ("", {}),
        ('{"status":"null","id":"x"}', {"status": "null", "id": "x"}),
        ("[1]", {"value": [1]}),
        ("{", {"text": "{"}),
    ],
)
def test_any_details_of_qemu_are_taken(
    text: str | None, data: dict[str, object]
) -> None:
    assert _details(text) == data


def test_numbers_that_are_not_known_are_told_as_they_are() -> None:
    assert _word(("a",), 0) == "a"
    assert _word(("a",), 1) == "1"
    assert _word(("a",), -1) == "-1"

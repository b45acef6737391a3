"""libvirt URIs: what is told from them, and what is refused."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.backends.libvirt.uri import LibvirtUri, is_libvirt_uri, parse_uri
from vmsnap_tui.errors import UsageError


@pytest.mark.parametrize(
    ("text", "transport", "host", "path"),
    [
        ("qemu:///system", "unix", "", "/system"),
        ("qemu:///session", "unix", "", "/session"),
        ("qemu+unix:///system", "unix", "", "/system"),
        ("qemu:///embed?root=/tmp/x", "", "", "/embed"),
        ("qemu+ssh://root@db-1/system", "ssh", "db-1", "/system"),
        ("qemu+ssh://root@db-1:2222/system", "ssh", "db-1", "/system"),
        ("qemu+tcp://[::1]/system", "tcp", "::1", "/system"),
        ("qemu://db-1/system", "tls", "db-1", "/system"),
        ("test:///default", "", "", "/default"),
        ("test:///var/lib/many.xml", "", "", "/var/lib/many.xml"),
        ("test+unix:///default?socket=/run/x", "unix", "", "/default"),
    ],
)
def test_parts_are_told_as_libvirt_tells_them(
    text: str, transport: str, host: str, path: str
) -> None:
    uri = parse_uri(text)
    assert (uri.transport, uri.host, uri.path) == (transport, host, path)
    assert is_libvirt_uri(text)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("qemu:///system", True),
        ("qemu:///system?socket=/run/x/libvirt-sock", True),
        ("qemu:///embed?root=/tmp/x", True),
        ("test:///default", True),
        ("test+unix:///default", True),
        ("qemu+ssh://db-1/system", False),
        ("qemu://db-1/system", False),
        ("qemu+tcp://localhost:16510/system", False),
    ],
)
def test_only_what_cannot_be_elsewhere_is_local(text: str, local: bool) -> None:
    assert parse_uri(text).local is local


@pytest.mark.parametrize(
    "text",
    [
        "qemu://",
        "qemu:",
        "qemu:/system",
        "qemu:system",
        "qemu:///",
        "qemu:///systems",
        "qemu+carrier-pigeon:///system",
        "qemu+:///system",
        "qemu+unix://db-1/system",
        "qemu+ssh:///system",
        "qemu+ssh://db-1:port/system",
        "qemu+ssh://[db-1/system",
        "qemu:///system#x",
        "qemu:///system ",
        "qemu:///sys\ntem",
        "test:///",
        "xen:///system",
        "lxc:///",
        "esx://host/",
    ],
)
def test_what_is_malformed_is_refused_with_reason_and_remedy(text: str) -> None:
    assert is_libvirt_uri(text)
    with pytest.raises(UsageError) as caught:
        parse_uri(text)
    assert caught.value.evidence.startswith(text)
    assert "qemu:///system" in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["", "qmp:///run/vm", "/run/vm", "web-01", "qemux:///system", "qemu"]
)
def test_what_is_meant_for_others_is_no_libvirt_uri(text: str) -> None:
    assert not is_libvirt_uri(text)
    with pytest.raises(UsageError):
        parse_uri(text)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for tried in (text, f"qemu://{text}", f"qemu:///system?{text}"):
        try:
            uri = parse_uri(tried)
        except UsageError:
            continue
        assert isinstance(uri, LibvirtUri)
        assert uri.label
        assert uri.opened.startswith(tried)


def test_label_leaves_parameters_out_but_tells_sockets_apart() -> None:
    assert parse_uri("qemu:///system").label == "qemu:///system"
    assert parse_uri("qemu+ssh://h/system?keyfile=/k").label == "qemu+ssh://h/system"
    one = parse_uri("qemu:///system?socket=/tmp/one/libvirt-sock").label
    two = parse_uri("qemu:///system?socket=/tmp/two/libvirt-sock").label
    assert (one, two) == (
        "qemu:///system at …/one/libvirt-sock",
        "qemu:///system at …/two/libvirt-sock",
    )


def test_ssh_never_asks_on_the_terminal() -> None:
    assert parse_uri("qemu+ssh://h/system").opened == "qemu+ssh://h/system?no_tty=1"
    assert (
        parse_uri("qemu+ssh://h/system?keyfile=/k").opened
        == "qemu+ssh://h/system?keyfile=/k&no_tty=1"
    )
    assert parse_uri("qemu+ssh://h/system?no_tty=0").opened.endswith("?no_tty=0")
    assert parse_uri("qemu:///system").opened == "qemu:///system"


def test_a_named_socket_has_a_read_only_one_beside_it() -> None:
    uri = parse_uri("qemu:///system?mode=legacy&socket=/run/a%20b/libvirt-sock")
    assert uri.opened_read_only == (
        "qemu:///system?mode=legacy&socket=/run/a%20b/libvirt-sock-ro"
    )
    assert parse_uri("qemu:///system").opened_read_only == "qemu:///system"


def test_telling_a_uri_needs_no_libvirt() -> None:
    code = (
        "import vmsnap_tui.backends.libvirt.uri, sys\n"
        "print([m for m in sys.modules if m.startswith('libvirt')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"

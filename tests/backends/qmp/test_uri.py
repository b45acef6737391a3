import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.backends.qmp.uri import QmpUri, parse_uri, socket_uri
from vmsnap_tui.errors import UsageError


def test_socket_with_agent_and_name() -> None:
    text = "qmp:///run/vm/web.qmp?agent=/run/vm/web.qga&name=web"
    assert parse_uri(text) == QmpUri(
        text, socket="/run/vm/web.qmp", agent="/run/vm/web.qga", name="web"
    )


def test_address() -> None:
    text = "qmp://127.0.0.1:4444?name=web"
    assert parse_uri(text) == QmpUri(text, host="127.0.0.1", port=4444, name="web")
    assert parse_uri("qmp://[::1]:4444").host == "::1"


def test_percent_is_decoded() -> None:
    found = parse_uri("qmp:///run/a%20b%3Fc?name=x%26y")
    assert (found.socket, found.name) == ("/run/a b?c", "x&y")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qemu:///system",
        "qmp:",
        "qmp:run/vm",
        "qmp:///",
        "qmp://127.0.0.1",
        "qmp://127.0.0.1:99999",
        "qmp://127.0.0.1:44/x",
        "qmp:///run/vm?colour=red",
        "qmp:///run/vm?agent=relative",
        "qmp:///run/vm#1",
        "qmp:///run/%00",
    ],
)
def test_malformed_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_uri(text)
    assert "qmp:///path/to/socket" in raised.value.remedy


@given(
    path=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
    name=st.text(st.characters(codec="utf-8")),
)
def test_any_path_and_name_survive(path: str, name: str) -> None:
    whole = f"/run/{path}"
    found = parse_uri(socket_uri(whole, name))
    assert (found.socket, found.name) == (whole, name)


def test_machine_without_a_name_is_called_after_its_socket() -> None:
    assert parse_uri("qmp:///run/vm/web.qmp").fallback_name == "web"
    assert parse_uri("qmp://127.0.0.1:4444").fallback_name == "127.0.0.1:4444"

"""`qmp:` connection URIs: where a machine's monitor is, and what to call the machine.

`qmp:///run/vm/web.qmp?agent=/run/vm/web.qga&name=web` or `qmp://127.0.0.1:4444`;
paths and values are percent-decoded.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from vmsnap_tui.errors import UsageError

_REMEDY = (
    "say qmp:///path/to/socket or qmp://127.0.0.1:4444, with ?agent=PATH&name=NAME"
)


@dataclass(frozen=True, slots=True)
class QmpUri:
    """Either `socket` is set, or `host` and `port` are."""

    text: str
    socket: str = ""
    host: str = ""
    port: int = 0
    agent: str = ""
    name: str = ""

    @property
    def where(self) -> str:
        """The monitor's address, for the operator."""
        return self.socket or f"{self.host}:{self.port}"

    @property
    def fallback_name(self) -> str:
        """What to call the machine when neither the URI nor QEMU names it."""
        return PurePosixPath(self.socket).stem or self.where


def parse_uri(text: str) -> QmpUri:
    """The parts of a `qmp:` URI. Raises UsageError when it is malformed."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError as error:
        _refuse(text, str(error))
    if parts.scheme != "qmp":
        _refuse(text, "the scheme is not qmp")
    if parts.fragment:
        _refuse(text, "a # in a path must be written %23")
    agent, name = _parameters(text, parts.query)
    path = unquote(parts.path)
    if parts.netloc:
        if not host or not port:
            _refuse(text, "an address needs a host and a port")
        if path not in ("", "/"):
            _refuse(text, "an address has no path")
        return QmpUri(text, host=host, port=port, agent=agent, name=name)
    if not path.startswith("/") or path == "/":
        _refuse(text, "the socket's path is not absolute")
    if "\0" in path:
        _refuse(text, "the socket's path holds a NUL")
    return QmpUri(text, socket=path, agent=agent, name=name)


def socket_uri(path: str, name: str = "") -> str:
    """The URI of a monitor's unix socket."""
    query = f"?name={quote(name, safe='')}" if name else ""
    return f"qmp://{quote(path)}{query}"


def _parameters(text: str, query: str) -> tuple[str, str]:
    values = {"agent": "", "name": ""}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in values:
            _refuse(text, f"no such parameter: {key}")
        values[key] = value
    if values["agent"] and not values["agent"].startswith("/"):
        _refuse(text, "the agent's socket is not an absolute path")
    return values["agent"], values["name"]


def _refuse(text: str, reason: str) -> NoReturn:
    raise UsageError(
        "not a QMP connection", evidence=f"{text}: {reason}", remedy=_REMEDY
    )

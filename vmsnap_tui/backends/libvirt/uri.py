"""libvirt connection URIs: which driver, by what transport, and on which host.

`qemu:///system`, `qemu:///session`, `qemu+ssh://host/system`, all with libvirt's own
parameters. Read here only as far as vmsnap-tui must know: libvirt reads the rest.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from vmsnap_tui.errors import UsageError

_DRIVERS = frozenset({"qemu", "test"})
_FOREIGN = frozenset(
    {"bhyve", "ch", "esx", "gsx", "hyperv", "lxc", "openvz", "parallels", "remote"}
    | {"uml", "vbox", "vmwareplayer", "vmwarews", "vpx", "vz", "xen"}
)
_SCHEME = re.compile(r"([a-zA-Z]+)(?:\+[^:/]*)?:", re.ASCII)
_TRANSPORTS = frozenset({"unix", "tls", "tcp", "ssh", "libssh", "libssh2", "ext"})
_QEMU_PATHS = frozenset({"/system", "/session", "/embed"})
_REMEDY = "say qemu:///system, qemu:///session or qemu+ssh://host/system"


@dataclass(frozen=True, slots=True)
class LibvirtUri:
    """`transport` is empty where the driver runs inside this very process."""

    text: str
    driver: str
    transport: str
    host: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def in_process(self) -> bool:
        return not self.transport

    @property
    def local(self) -> bool:
        """Whether QEMU runs on this host, so that its files are this host's files.

        False for a tunnel to `localhost` too: what is at its other end is not known.
        A forwarded unix socket cannot be told from libvirtd's own here; compare the
        host's name that the daemon tells.
        """
        return self.in_process or self.transport == "unix"

    @property
    def socket(self) -> str:
        """The socket that the operator named, or nothing for libvirt's own."""
        return dict(self.parameters).get("socket", "")

    @property
    def label(self) -> str:
        """The URI without its parameters, short enough for a heading."""
        plain = self.text.partition("?")[0]
        if not self.socket:
            return plain
        tail = "/".join(PurePosixPath(self.socket).parts[-2:]).removeprefix("/")
        return f"{plain} at …/{tail}"

    @property
    def opened(self) -> str:
        """What libvirt is given: ssh must not ask for a password on the terminal, as
        it would ask beneath the screen and wait for ever."""
        if self.transport != "ssh" or "no_tty" in dict(self.parameters):
            return self.text
        return f"{self.text}{'&' if '?' in self.text else '?'}no_tty=1"

    @property
    def opened_read_only(self) -> str:
        """As `opened`; a named socket of libvirtd has a read-only one beside it."""
        if not self.socket.endswith("-sock"):
            return self.opened
        plain = self.text.partition("?")[0]
        values = dict(self.parameters) | {"socket": f"{self.socket}-ro"}
        query = "&".join(f"{key}={quote(value)}" for key, value in values.items())
        return f"{plain}?{query}"


def is_libvirt_uri(text: str) -> bool:
    """Whether the text is meant for libvirt at all, well formed or not."""
    match = _SCHEME.match(text)
    return match is not None and match[1].lower() in _DRIVERS | _FOREIGN


def parse_uri(text: str) -> LibvirtUri:
    """The parts of a libvirt URI. Raises UsageError when it is malformed."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        _refuse(text, str(error))
    if any(ord(character) <= 0x20 or character == "\x7f" for character in text):
        _refuse(text, "a blank or control character must be percent-encoded")
    driver, _, transport = parts.scheme.partition("+")
    if driver not in _DRIVERS:
        _refuse(text, "only libvirt's QEMU driver is known")
    if "+" in parts.scheme and transport not in _TRANSPORTS:
        _refuse(text, f"no such transport: {transport}")
    if parts.fragment:
        _refuse(text, "a # in a path must be written %23")
    if not text[len(parts.scheme) :].startswith("://"):
        _refuse(text, "a host or nothing stands between // and the path")
    transport = transport or _transport(parts, driver)
    if transport == "unix" and host:
        _refuse(text, "a unix socket has no host")
    if transport not in ("", "unix", "ext") and not host:
        _refuse(text, f"the transport {transport} needs a host")
    _check_path(text, driver, parts.path)
    parameters = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return LibvirtUri(text, driver, transport, host, parts.path, parameters)


def _transport(parts: SplitResult, driver: str) -> str:
    """As libvirt chooses: TLS to a host, else the unix socket, else in process."""
    if parts.netloc:
        return "tls"
    if driver == "test" or parts.path == "/embed":
        return ""
    return "unix"


def _check_path(text: str, driver: str, path: str) -> None:
    if driver == "qemu" and path not in _QEMU_PATHS:
        _refuse(text, "the path is neither /system nor /session")
    if driver == "test" and path in ("", "/"):
        _refuse(text, "the path is neither /default nor a file's")


def _refuse(text: str, reason: str) -> NoReturn:
    raise UsageError(
        "not a libvirt connection", evidence=f"{text}: {reason}", remedy=_REMEDY
    )

"""Where the guest agent's socket is, as the machine itself tells it.

The agent's port is the virtserialport named `org.qemu.guest_agent.0`; its chardev is
the socket. Whether the guest has the port open is free to ask: the agent is not.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.process import Process
from vmsnap_tui.backends.qmp.replies import ChardevInfo, QomProperty, understood
from vmsnap_tui.backends.qmp.session import CommandRefused, Session
from vmsnap_tui.model.vm import Agent

_PORT = "org.qemu.guest_agent.0"
_PLACES = ("/machine/peripheral", "/machine/peripheral-anon")
_UNIX = re.compile(r"^(?:disconnected:)?unix:(.*?)(?:,server(?:=on)?)?(?: <-> .*)?$")


async def agent_chardev(session: Session) -> str:
    """The label of the agent's chardev, or nothing where there is no agent's port."""
    for place in _PLACES:
        for path in await _ports(session, place):
            if await _property(session, path, "name") == _PORT:
                return await _property(session, path, "chardev")
    return ""


async def _ports(session: Session, place: str) -> list[str]:
    answer = await session.execute(Command("qom-list", {"path": place}))
    children = understood(tuple[QomProperty, ...], answer, "qom-list")
    return [f"{place}/{c.name}" for c in children if c.type == "child<virtserialport>"]


async def _property(session: Session, path: str, name: str) -> str:
    """A device that is unplugged meanwhile has none."""
    asked = Command("qom-get", {"path": path, "property": name})
    try:
        answer = await session.execute(asked)
    except CommandRefused:
        return ""
    return answer if isinstance(answer, str) else ""


def agent(
    chardevs: Iterable[ChardevInfo],
    label: str,
    configured: str,
    process: Process | None,
) -> Agent | None:
    """The agent's channel: the configured socket wins over the one that was found."""
    sockets = {c.label: (socket_path(c.filename, process), c) for c in chardevs}
    if configured:
        opened = (c.frontend_open for path, c in sockets.values() if path == configured)
        return Agent(configured, next(opened, None))
    path, chardev = sockets.get(label, ("", None))
    return Agent(path, chardev.frontend_open) if path and chardev else None


def socket_path(filename: str, process: Process | None) -> str:
    """The absolute path in a chardev's file name, or nothing if it is no unix socket.

    A relative path is QEMU's own; without QEMU's directory it leads nowhere.
    """
    found = _UNIX.match(filename)
    if not found or not found[1]:
        return ""
    path = Path(found[1])
    if path.is_absolute():
        return str(path)
    directory = process.directory if process else None
    return str(directory / path) if directory else ""

"""A small QMP client for the lab and the tests, independent of the product's own.

A test that judges the product must not ask the product's client what is true.
"""

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any, Self

from vmsnap_tui.errors import VmsnapError

_LINE_BYTES = 16 << 20
"""query-named-block-nodes of a deep graph is one line of megabytes."""


class LabFailed(VmsnapError):
    """The lab could not do what was asked; no machine of the operator is touched."""

    kind = "lab"


class CommandRefused(LabFailed):
    """QEMU or the agent answered a command with an error; nothing is assumed done."""

    kind = "lab-refused"


class LabMonitor:
    """One QMP connection: `execute` answers, `events` keeps what came in between."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.events: list[dict[str, Any]] = []

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect and negotiate; raises LabFailed when nobody answers there."""
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
        except OSError as error:
            raise LabFailed(
                "the monitor cannot be reached", evidence=f"{path}: {error}"
            ) from error
        return await cls.greeted(reader, writer)

    @classmethod
    async def over(cls, connected: socket.socket) -> Self:
        """Negotiate over a socket that is connected already; owns it from now on."""
        reader, writer = await asyncio.open_unix_connection(
            sock=connected, limit=_LINE_BYTES
        )
        return await cls.greeted(reader, writer)

    @classmethod
    async def greeted(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Self:
        """Wait for QEMU's greeting and negotiate; closes the stream on failure."""
        monitor = cls(reader, writer)
        try:
            await monitor._read()
            await monitor.execute("qmp_capabilities")
        except LabFailed:
            await monitor.close()
            raise
        return monitor

    async def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command and return what it answers.

        Underscores in argument names stand for dashes. Raises CommandRefused with
        QEMU's words, LabFailed when QEMU went away (the command may have taken
        effect).
        """
        asked = {name.replace("_", "-"): value for name, value in arguments.items()}
        line = json.dumps({"execute": command, "arguments": asked})
        try:
            self._writer.write(line.encode() + b"\n")
            await self._writer.drain()
        except ConnectionError as error:
            raise LabFailed("QEMU went away", evidence=str(error)) from error
        while True:
            answer = await self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                said = f"{answer['error']['class']}: {answer['error']['desc']}"
                raise CommandRefused(f"QEMU refused {command}", evidence=said)
            self.events.append(answer)

    async def wait_event(self, name: str, **data: Any) -> dict[str, Any]:
        """Return (and forget) the first event of that name whose data matches.

        Looks at the kept events first, then waits for as long as it takes.
        """
        seen = 0
        while True:
            while seen < len(self.events):
                event = self.events[seen]
                if event["event"] == name and data.items() <= (
                    event.get("data", {}).items()
                ):
                    del self.events[seen]
                    return event
                seen += 1
            self.events.append(await self._read())

    async def close(self) -> None:
        """Leave; QEMU goes on and the socket is free for the next client."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> dict[str, Any]:
        try:
            line = await self._reader.readline()
        except ConnectionError as error:
            raise LabFailed("QEMU went away", evidence=str(error)) from error
        if not line:
            raise LabFailed("QEMU went away", evidence="end of the monitor's stream")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def ask_agent(path: Path, command: str, /, **arguments: Any) -> Any:
    """Ask the guest agent once, after a sync that drops what others left unread.

    Holds the agent's only connection while it lasts. Raises CommandRefused with the
    agent's words, LabFailed when the machine is gone. Has no timeout of its own: an
    agent that is down never answers.
    """
    reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
    try:
        sync = {"execute": "guest-sync-delimited", "arguments": {"id": 7}}
        writer.write(b"\xff" + json.dumps(sync).encode() + b"\n")
        await reader.readuntil(b"\xff")
        while json.loads(await reader.readuntil(b"\n")) != {"return": 7}:
            continue
        asked = {name.replace("_", "-"): value for name, value in arguments.items()}
        line = json.dumps({"execute": command, "arguments": asked})
        writer.write(line.encode() + b"\n")
        answer = json.loads(await reader.readuntil(b"\n"))
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise LabFailed("the agent's machine went away", evidence=str(error)) from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if "error" in answer:
        raise CommandRefused(
            f"the agent refused {command}", evidence=answer["error"]["desc"]
        )
    return answer["return"]

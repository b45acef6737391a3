"""A connection to a real monitor: busy, gone, coming back, and what it keeps."""

import asyncio
import gc
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import Message

from tests.conftest import StartMachine
from vmsnap_tui.backends.base import Link, LinkChanged
from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.session import CommandRefused, Session
from vmsnap_tui.backends.qmp.uri import parse_uri, socket_uri
from vmsnap_tui.errors import ConnectionLost, NoConnection
from vmsnap_tui.lab.monitor import LabMonitor

STATUS = Command("query-status")


class Notes:
    """What a session said, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.links: list[LinkChanged] = []
        self.changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, event: Mapping[str, Any]) -> None:
        self.events.append(str(event["event"]))
        self._stir()

    def link(self, change: LinkChanged) -> None:
        self.links.append(change)
        self._stir()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    def _stir(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()


async def greeted() -> None:
    """Nothing to learn."""


Make = Callable[[Path], tuple[Session, Notes]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    sessions: list[Session] = []

    def session(path: Path) -> tuple[Session, Notes]:
        notes = Notes()
        uri = parse_uri(socket_uri(str(path)))
        sessions.append(Session(uri, notes.heard, notes.link, greeted))
        return sessions[-1], notes

    yield session
    for session_ in sessions:
        await session_.close()


@pytest.mark.qemu
async def test_answer_and_refusal(machine: StartMachine, make: Make) -> None:
    session, _ = make((await machine()).qmp_path)
    await session.open()
    answer = await session.execute(STATUS)
    assert isinstance(answer, dict)
    assert answer["status"] == "prelaunch"
    with pytest.raises(CommandRefused) as raised:
        await session.execute(Command("no-such-command"))
    assert raised.value.error_class == "CommandNotFound"
    assert "no-such-command" in raised.value.description


@pytest.mark.qemu
async def test_events_without_data_are_heard(machine: StartMachine, make: Make) -> None:
    web = await machine()
    session, notes = make(web.qmp_path)
    await session.open()
    await web.lab.execute("cont")
    await notes.until(lambda: "RESUME" in notes.events)


@pytest.mark.qemu
async def test_monitor_that_another_client_holds_is_busy(
    machine: StartMachine, make: Make
) -> None:
    web = await machine()
    holder = await LabMonitor.connect(web.qmp_path)
    session, notes = make(web.qmp_path)
    with pytest.raises(NoConnection, match="busy") as raised:
        await session.open()
    assert str(web.qmp_path) in raised.value.evidence
    assert str(web.pid) in raised.value.evidence
    assert notes.links[-1].link is Link.DOWN
    await holder.close()
    await session.open()
    assert session.link is Link.UP


@pytest.mark.parametrize(
    ("prepare", "cause"),
    [
        (lambda path: None, "no such socket"),
        (lambda path: bound(path), "nobody listens"),
        (lambda path: path.write_text(""), "nobody listens"),
    ],
)
async def test_unreachable_says_why_and_what_to_do(
    lab_directory: Path, make: Make, prepare: Callable[[Path], object], cause: str
) -> None:
    path = lab_directory / "monitor"
    prepare(path)
    session, _ = make(path)
    with pytest.raises(NoConnection, match=cause) as raised:
        await session.open()
    assert str(path) in raised.value.evidence
    assert raised.value.remedy


def bound(path: Path) -> None:
    """A socket file that a dead process left."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


async def test_path_that_is_too_long_is_no_connection(make: Make) -> None:
    session, _ = make(Path("/" + "x" * 200))
    with pytest.raises(NoConnection, match="too long"):
        await session.open()


@pytest.mark.parametrize(
    "said", [b'{"hello": 1}\n', b"QEMU 7.2 monitor\r\n(qemu) \n", b""]
)
async def test_what_is_no_monitor_is_told_apart(
    lab_directory: Path, make: Make, said: bytes
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    path = lab_directory / "monitor"
    server = await asyncio.start_unix_server(greet, path)
    async with server:
        session, _ = make(path)
        with pytest.raises(NoConnection) as raised:
            await session.open()
    assert raised.value.cause in (
        "what answers is not a QMP monitor",
        "the monitor hung up",
    )


@pytest.mark.qemu
async def test_death_is_noticed_at_once_and_the_session_comes_back(
    machine: StartMachine, make: Make
) -> None:
    web = await machine()
    session, notes = make(web.qmp_path)
    await session.open()
    first = session.process
    await web.kill()
    await notes.until(lambda: session.link is Link.DOWN)
    with pytest.raises(ConnectionLost, match="not connected"):
        await session.execute(STATUS)
    await web.start()
    await notes.until(lambda: session.link is Link.UP)
    assert await session.execute(STATUS)
    assert first is not None
    assert session.process is not None
    assert first.ended
    assert not session.process.ended


@pytest.mark.qemu
async def test_command_in_flight_is_lost_with_its_machine(
    machine: StartMachine, make: Make
) -> None:
    web = await machine()
    session, _ = make(web.qmp_path)
    await session.open()
    os.kill(web.pid, 19)
    asked = asyncio.create_task(session.execute(STATUS))
    with pytest.raises(ConnectionLost, match="no answer within"):
        await session.execute(STATUS, limit_s=0.05)
    await web.kill()
    with pytest.raises(ConnectionLost):
        await asked


@pytest.mark.qemu
async def test_late_answer_does_not_disturb_the_next_command(
    machine: StartMachine, make: Make
) -> None:
    web = await machine()
    session, _ = make(web.qmp_path)
    await session.open()
    os.kill(web.pid, 19)
    with pytest.raises(ConnectionLost):
        await session.execute(Command("query-name"), limit_s=0.05)
    os.kill(web.pid, 18)
    answer = await session.execute(STATUS)
    assert isinstance(answer, dict)
    assert "status" in answer


def messages_kept() -> int:
    return len([o for o in gc.get_objects() if isinstance(o, Message)])


@pytest.mark.qemu
async def test_events_are_not_kept(machine: StartMachine, make: Make) -> None:
    web = await machine()
    session, notes = make(web.qmp_path)
    await session.open()
    before = messages_kept()
    for _ in range(20):
        await web.lab.execute("cont")
        await web.lab.execute("stop")
    await notes.until(lambda: notes.events.count("STOP") == 20)
    assert messages_kept() <= before + 4


@pytest.mark.qemu
async def test_what_greets_may_refuse_the_connection(
    machine: StartMachine,
) -> None:
    web = await machine()
    notes = Notes()

    async def refuse() -> None:
        raise ConnectionLost("lost", evidence="while asking", remedy="")

    uri = parse_uri(socket_uri(str(web.qmp_path)))
    session = Session(uri, notes.heard, notes.link, refuse)
    with pytest.raises(NoConnection, match="while asking"):
        await session.open()
    await session.close()


@pytest.mark.qemu
async def test_messages_are_not_written_out_for_a_log_that_nobody_reads(
    machine: StartMachine, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The library does, in full, at every level of its log: it doubles a read."""
    library = logging.getLogger("qemu.qmp")
    library.addHandler(caplog.handler)
    session, _ = make((await machine()).qmp_path)
    try:
        with caplog.at_level(logging.DEBUG, "qemu.qmp"):
            await session.open()
            await session.execute(STATUS)
    finally:
        library.removeHandler(caplog.handler)
    said = [record.getMessage() for record in caplog.records]
    assert "Connected." in said
    assert [line for line in said if line.startswith(("<--", "-->"))] == []

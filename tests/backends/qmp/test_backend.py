"""One QEMU as a backend: names, events, restarts, and who answers at an address."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.base import (
    Backend,
    BackendEvent,
    Link,
    LinkChanged,
    VmChanged,
    WireHeard,
)
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.backends.qmp.uri import socket_uri
from vmsnap_tui.errors import NoConnection, NotFound, UsageError
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.vm import VmState

pytestmark = pytest.mark.qemu
Open = Callable[[str], QmpBackend]


@pytest.fixture
async def made() -> AsyncIterator[Open]:
    backends: list[QmpBackend] = []

    def make(uri: str) -> QmpBackend:
        backends.append(QmpBackend(uri))
        return backends[-1]

    yield make
    for backend in backends:
        await backend.close()


async def heard_until(
    events: AsyncIterator[BackendEvent], wanted: Callable[[BackendEvent], bool]
) -> list[BackendEvent]:
    found: list[BackendEvent] = []
    async with asyncio.timeout(10):
        async for event in events:
            found.append(event)
            if wanted(event):
                break
    return found


def test_it_is_a_backend() -> None:
    backend: Backend = QmpBackend("qmp:///run/vm/web.qmp")
    assert backend.link is Link.DOWN


def test_malformed_uri_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        QmpBackend("qemu:///system")


async def test_machine_is_named_by_itself_or_by_the_operator(
    machine: StartMachine, made: Open
) -> None:
    web = await machine(name="web-01", extra_monitor=True)
    for path, asked, name in (
        (web.qmp_path, "", "web-01"),
        (web.directory / "qmp2.sock", "mine", "mine"),
    ):
        backend = made(socket_uri(str(path), asked))
        await backend.open()
        (vm,) = await backend.read()
        assert (vm.name, vm.uuid, vm.connection) == (name, web.uuid, backend.uri)


async def test_state_and_events_follow_the_machine(
    machine: StartMachine, made: Open
) -> None:
    web = await machine()
    backend = made(web.connection)
    await backend.open()
    events = backend.events()
    await web.lab.execute("cont")
    found = await heard_until(events, lambda event: isinstance(event, VmChanged))
    wire = [event for event in found if isinstance(event, WireHeard)]
    assert [(event.name, event.data, event.vm) for event in wire] == [
        ("RESUME", {}, web.uuid)
    ]
    assert wire[0].at_s > 1e9
    assert found[-1] == VmChanged(web.uuid)
    assert (await backend.read())[0].state is VmState.RUNNING


async def restarted(backend: QmpBackend, web: Machine) -> list[BackendEvent]:
    events = backend.events()
    await web.kill()
    found = await heard_until(
        events, lambda e: isinstance(e, LinkChanged) and e.link is Link.DOWN
    )
    await web.start()
    return found + await heard_until(
        events, lambda e: isinstance(e, LinkChanged) and e.link is Link.UP
    )


async def test_restart_is_told_as_down_and_up_and_both_have_their_reason(
    machine: StartMachine, made: Open
) -> None:
    web = await machine()
    backend = made(web.connection)
    await backend.open()
    found = await restarted(backend, web)
    links = [event for event in found if isinstance(event, LinkChanged)]
    assert links[0] == LinkChanged(Link.DOWN, "the monitor hung up")
    assert links[-1].link is Link.UP
    assert not await backend.is_gone(web.uuid)
    assert (await backend.read())[0].uuid == web.uuid


async def test_another_machine_at_the_same_address_is_not_taken_for_the_first(
    machine: StartMachine, made: Open
) -> None:
    first = await machine(name="first")
    second = await machine(name="second")
    backend = made(socket_uri(str(first.qmp_path)))
    await backend.open()
    events = backend.events()
    await first.kill()
    first.qmp_path.unlink()
    first.qmp_path.symlink_to(second.qmp_path)
    await heard_until(events, lambda e: isinstance(e, VmChanged) and e.vm != first.uuid)
    with pytest.raises(NotFound, match=first.uuid):
        await backend.cancel_job(first.uuid, "job")
    assert (await backend.read())[0].uuid == second.uuid
    assert await backend.is_gone(first.uuid)
    assert not await backend.is_gone(second.uuid)


async def test_machine_that_was_never_reached_is_gone_only_if_its_socket_refuses(
    machine: StartMachine, made: Open
) -> None:
    web = await machine()
    backend = made(web.connection)
    assert not await backend.is_gone(web.uuid)
    await web.kill()
    with pytest.raises(NoConnection):
        await backend.open()
    assert await backend.is_gone(web.uuid)
    web.qmp_path.unlink(missing_ok=True)
    assert not await backend.is_gone(web.uuid)


async def test_monitor_behind_an_address_is_read_too(
    machine: StartMachine, made: Open
) -> None:
    web = await machine()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = await asyncio.open_unix_connection(web.qmp_path)
        await asyncio.gather(_copy(reader, theirs), _copy(ours, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        backend = made(f"qmp://127.0.0.1:{port}")
        await backend.open()
        assert (await backend.read())[0].uuid == web.uuid
        assert not await backend.is_gone(web.uuid)
        await backend.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

"""Whoever answers at a machine's address, the operator is told soon, and no file is
readable by others whatever the umask."""

import asyncio
import os
import stat
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.conftest import StartMachine
from tests.life.bare_qemu import BareQemu
from tests.life.stranger import GOOD, escapes
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.monitor import LabMonitor
from vmsnap_tui.units import MiB

SOON_S = 8.0
"""The limits of 3 s to greet, 5 s to answer, and the program's start."""


@pytest.fixture
async def shell(lab_directory: Path) -> AsyncIterator[Shell]:
    found = Shell(lab_directory)
    yield found
    await found.stop()


@pytest.mark.qemu
async def test_a_monitor_that_another_client_holds(
    machine: StartMachine, shell: Shell
) -> None:
    web = await machine()
    other = await LabMonitor.connect(web.qmp_path)
    before_s = time.monotonic()
    said = await shell.run("backup", "web-01", "--json", machine=web)
    assert time.monotonic() - before_s < SOON_S
    await other.close()
    assert said.code == 8
    (error,) = said.told_of("error")
    told = " ".join(error[part] for part in ("cause", "evidence", "remedy"))
    assert "busy" in told
    assert str(web.qmp_path) in told
    assert str(web.pid) in told
    assert (await shell.run("backup", "web-01", machine=web)).code in GOOD


@pytest.mark.qemu
async def test_a_second_monitor_is_as_good(machine: StartMachine, shell: Shell) -> None:
    web = await machine(DiskSpec("vda", size_bytes=MiB), extra_monitor=True)
    other = await LabMonitor.connect(web.qmp_path)
    second = f"qmp://{web.directory}/qmp2.sock"
    both = ["--connect", second, "--connect", web.connection]
    one = await shell.run("--connect", second, "backup", "web-01", "--json")
    assert one.code in GOOD, one
    await other.close()
    listed = await shell.run(*both, "list", "--json")
    assert listed.code in GOOD, listed
    two = await shell.run("backup", "web-01", "--json", machine=web)
    assert two.document["level"] == "incremental", "it is the same machine"
    clash = await shell.run(*both, "backup", "web-01", "--json")
    assert clash.code in (0, 2, 3), clash


@pytest.mark.qemu
async def test_a_monitor_over_tcp(
    lab_directory: Path, shell: Shell, unused_port: int
) -> None:
    tcp = f"tcp:127.0.0.1:{unused_port},server=on,wait=off"
    bare = BareQemu(
        lab_directory / "tcp", ("-qmp", tcp, "-name", "far", *BareQemu.disk("vda"))
    )
    await bare.start()
    try:
        connect = ["--connect", f"qmp://127.0.0.1:{unused_port}"]
        for level in ("full", "incremental"):
            done = await shell.run(*connect, "backup", "far", "--json")
            assert done.code in GOOD, done
            assert done.document["level"] == level
        await bare.stop()
        gone = await shell.run(*connect, "backup", "far", "--json")
        assert gone.code == 8
        assert str(unused_port) in gone.err
    finally:
        await bare.stop()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x1b[2J\x00\xff SSH-2.0-OpenSSH_9.2\r\n" * 10)


async def another_protocol(writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"hello": "\x1b[31m"}\r\n')


async def no_object(writer: asyncio.StreamWriter) -> None:
    writer.write(b"[[[[" * 1000 + b"\n")


async def an_endless_line(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"{" * 65536)
        await writer.drain()


async def nothing(writer: asyncio.StreamWriter) -> None:
    await writer.drain()


async def a_greeting_and_then_nothing(writer: asyncio.StreamWriter) -> None:
    version = b'{"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": ""}'
    writer.write(b'{"QMP": {"version": %s, "capabilities": []}}\r\n' % version)


async def a_greeting_and_lies(writer: asyncio.StreamWriter) -> None:
    await a_greeting_and_then_nothing(writer)
    for _ in range(20):
        writer.write(b'{"return": {"\\u001b[1m": [null]}, "id": "__qmp#00001"}\r\n')


@asynccontextmanager
async def peer(path: Path, answer: Answer) -> AsyncIterator[None]:
    async def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(writer)
        except ConnectionError:
            return
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_unix_server(met, path)
    try:
        yield
    finally:
        gone.set()
        server.close()


@pytest.mark.parametrize(
    "answer",
    [
        garbage,
        another_protocol,
        no_object,
        an_endless_line,
        nothing,
        a_greeting_and_then_nothing,
        a_greeting_and_lies,
    ],
)
async def test_a_peer_that_is_no_qemu(
    answer: Answer, lab_directory: Path, shell: Shell
) -> None:
    path = lab_directory / "peer.sock"
    async with peer(path, answer):
        before_s = time.monotonic()
        said = await shell.run(
            "--connect", f"qmp://{path}", "backup", "web-01", "--json"
        )
        human = await shell.run("--connect", f"qmp://{path}", "list")
        elapsed_s = time.monotonic() - before_s
    assert said.code == 8, said
    (error,) = said.told_of("error")
    assert str(path) in error["evidence"]
    assert len(said.err) < 4000
    assert escapes(human.out + human.err) == []
    assert "Traceback" not in human.err + said.err
    assert elapsed_s < 2 * SOON_S


@pytest.mark.qemu
async def test_nothing_is_readable_by_others_whatever_the_umask(
    machine: StartMachine, shell: Shell, lab_directory: Path
) -> None:
    web = await machine(DiskSpec("vda", size_bytes=MiB))
    shell.repository = lab_directory / "deep" / "er" / "repository"
    shell.state = lab_directory / "some" / "state"
    out = lab_directory / "out" / "here"
    log = lab_directory / "out" / "log"
    before = os.umask(0)
    try:
        for _ in range(2):
            done = await shell.run("backup", "web-01", "--json", machine=web)
            assert done.code in GOOD, done
        restored = await shell.run(
            "restore", done.document["point"], "--to", str(out), "--json"
        )
        assert restored.code in GOOD, restored
        verified = await shell.run("verify", done.document["point"])
        assert verified.code in GOOD, verified
        logged = await shell.run("--log", str(log), "list", machine=web)
        assert logged.code in GOOD, logged
    finally:
        os.umask(before)
    wrong = []
    for root in ("deep", "some", "out"):
        top = lab_directory / root
        for path in (top, *top.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if mode != (0o700 if path.is_dir() else 0o600):
                wrong.append(f"{path.relative_to(lab_directory)} {mode:o}")
    assert wrong == []


@pytest.mark.qemu
async def test_no_escape_of_a_machine_reaches_a_terminal(
    lab_directory: Path, shell: Shell
) -> None:
    """On a terminal the program may draw; what it draws with is its own and small."""
    name = "\x1b]0;owned\x07\x1b[31mweb"
    bare = BareQemu(
        lab_directory / "tty", ("-name", f"guest={name}", *BareQemu.disk("vda"))
    )
    await bare.start()
    try:
        said = b""
        for verb in (["list"], ["doctor"], ["backup", "--yes", name], ["points"]):
            said += await on_terminal(shell, "--connect", bare.uri, *verb)
    finally:
        await bare.stop()
    assert b"owned" in said
    assert b"\x1b]0" not in said
    assert b"\x1b[31m" not in said
    assert b"\x07" not in said


async def on_terminal(shell: Shell, *words: str) -> bytes:
    """What an operator's terminal is sent."""
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vmsnap_tui", "--repo", str(shell.repository), *words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "VMSNAP_STATE_DIR": str(shell.state), "TERM": "xterm"},
    )
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                chunk = await asyncio.to_thread(terminal.read, 65536)
            except OSError:
                break
            if not chunk:
                break
            said += chunk
    assert await process.wait() in GOOD, said
    return said

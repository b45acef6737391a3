"""The agent's protocol: against a scripted peer for what goes wrong, a real guest for
what freezing does."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.agent import AgentRefused, AgentSilent
from vmsnap_tui.backends.qmp.agent import REPLY_BYTES, SocketAgent

Script = Callable[[socket.socket], None]
LIMIT_S = 5.0
SHORT_S = 0.05


@pytest.fixture
def peer(lab_directory: Path) -> Iterator[Callable[[Script], SocketAgent]]:
    """A socket whose other end plays a script, and a link that is connected to it."""
    threads: list[threading.Thread] = []
    links: list[SocketAgent] = []

    def start(script: Script) -> SocketAgent:
        path = str(lab_directory / f"agent{len(threads)}")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()

        def play() -> None:
            with listening:
                accepted, _ = listening.accept()
            with accepted:
                accepted.settimeout(LIMIT_S)
                script(accepted)

        threads.append(threading.Thread(target=play))
        threads[-1].start()
        links.append(SocketAgent(path))
        links[-1].connect(LIMIT_S)
        return links[-1]

    yield start
    for link in links:
        link.close()
    for thread in threads:
        thread.join()


def heard(accepted: socket.socket) -> dict[str, object]:
    """The next command, without the bytes that make the agent start afresh."""
    line = b""
    while not line.endswith(b"\n"):
        got = accepted.recv(1)
        if not got:
            return {}
        line += got
    command: dict[str, object] = json.loads(line.lstrip(b"\xff"))
    return command


def synced(accepted: socket.socket, before: bytes = b"") -> None:
    asked = heard(accepted)
    assert asked["execute"] == "guest-sync-delimited"
    arguments = asked["arguments"]
    assert isinstance(arguments, dict)
    answer = json.dumps({"return": arguments["id"]}).encode()
    accepted.sendall(before + b"\xff" + answer + b"\n")


def test_sync_skips_late_answers_and_the_error_for_the_stray_byte(
    peer: Callable[[Script], SocketAgent],
) -> None:
    stale = b'{"return": 2}\n{"error": {"class": "GenericError", "desc": "stray"}}\n'

    def script(accepted: socket.socket) -> None:
        synced(accepted, before=stale + b'{"return": {}}\nnot json\n')
        heard(accepted)
        accepted.sendall(b'{"return": "thawed"}\n')

    link = peer(script)
    link.sync(LIMIT_S)
    assert link.status(LIMIT_S) == "thawed"


def test_freeze_without_an_answer_is_followed_by_a_thaw(
    peer: Callable[[Script], SocketAgent],
) -> None:
    asked: list[object] = []
    over = threading.Event()

    def script(accepted: socket.socket) -> None:
        asked.extend(heard(accepted)["execute"] for _ in range(2))
        over.set()

    link = peer(script)
    with pytest.raises(AgentSilent):
        link.freeze(SHORT_S)
    assert over.wait(LIMIT_S)
    assert asked == ["guest-fsfreeze-freeze", "guest-fsfreeze-thaw"]


def test_late_freeze_answer_is_not_taken_for_the_thaws(
    peer: Callable[[Script], SocketAgent],
) -> None:
    def script(accepted: socket.socket) -> None:
        heard(accepted)
        heard(accepted)
        synced(accepted, before=b'{"return": 2}\n{"return": 2}\n')
        assert heard(accepted)["execute"] == "guest-fsfreeze-thaw"
        accepted.sendall(b'{"return": 0}\n')

    link = peer(script)
    with pytest.raises(AgentSilent):
        link.freeze(SHORT_S)
    assert link.thaw(LIMIT_S) == 0


def test_agents_error_is_told_in_its_words(
    peer: Callable[[Script], SocketAgent],
) -> None:
    def script(accepted: socket.socket) -> None:
        heard(accepted)
        accepted.sendall(b'{"error": {"class": "X", "desc": "no such thing"}}\n')

    with pytest.raises(AgentRefused, match="no such thing"):
        peer(script).freeze(LIMIT_S)


@pytest.mark.parametrize("answer", [b"[]", b'{"return": "2"}', b"\xfe", b'{"x": 1}'])
def test_what_is_no_answer_is_refused(
    peer: Callable[[Script], SocketAgent], answer: bytes
) -> None:
    def script(accepted: socket.socket) -> None:
        heard(accepted)
        accepted.sendall(answer + b"\n")

    with pytest.raises(AgentRefused):
        peer(script).thaw(LIMIT_S)


def test_answer_without_end_is_refused(peer: Callable[[Script], SocketAgent]) -> None:
    def script(accepted: socket.socket) -> None:
        heard(accepted)
        try:
            while True:
                accepted.sendall(b"x" * REPLY_BYTES)
        except OSError:
            return

    link = peer(script)
    with pytest.raises(AgentRefused, match="too long"):
        link.status(LIMIT_S)
    link.close()


def test_agent_that_hangs_up_is_silent(peer: Callable[[Script], SocketAgent]) -> None:
    with pytest.raises(AgentSilent):
        peer(lambda accepted: None).sync(LIMIT_S)


def test_missing_socket_is_silence_with_its_path(lab_directory: Path) -> None:
    path = str(lab_directory / "none")
    with pytest.raises(AgentSilent, match=path):
        SocketAgent(path).connect(LIMIT_S)


@pytest.mark.qemu
async def test_machine_without_an_agent_is_silent(machine: StartMachine) -> None:
    web = await machine()
    link = SocketAgent(str(web.agent_path))
    link.connect(LIMIT_S)
    with pytest.raises(AgentSilent):
        link.sync(SHORT_S)
    link.close()


@pytest.mark.guest
async def test_real_guest_freezes_thaws_and_says_so(
    guest_machine: StartMachine,
) -> None:
    web = await guest_machine()
    link = SocketAgent(str(web.agent_path))
    link.connect(LIMIT_S)
    link.sync(LIMIT_S)
    assert link.status(LIMIT_S) == "thawed"
    frozen = link.freeze(LIMIT_S)
    assert frozen >= 1
    assert link.status(LIMIT_S) == "frozen"
    link.close()
    link.connect(LIMIT_S)
    link.sync(LIMIT_S)
    assert link.thaw(LIMIT_S) == frozen
    assert link.thaw(LIMIT_S) == 0
    link.close()


def test_import_is_small_enough_for_the_child_that_freezes() -> None:
    code = "import sys, vmsnap_tui.backends.qmp.agent; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(listed.stdout.split())
    assert not loaded & {"asyncio", "qemu", "msgspec", "textual"}

import os
import socket
import subprocess
from pathlib import Path

import pytest

from vmsnap_tui.backends.qmp.process import Listener, Process, peer_process, probe


def test_living_process_has_not_ended_and_a_reaped_one_has() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = peer_process(ours)
    assert process is not None
    assert process.pid == os.getpid()
    assert not process.ended
    assert process.directory == Path.cwd()


def test_zombie_has_ended() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    ticks = int(Path(f"/proc/{child.pid}/stat").read_text().split(")")[1].split()[19])
    assert Process(child.pid, ticks).ended
    child.wait()
    assert Process(child.pid, ticks).ended
    assert Process(child.pid, ticks).directory is None


def test_reused_process_id_is_another_process() -> None:
    assert Process(os.getpid(), started_ticks=1).ended


def test_address_has_no_peer_process() -> None:
    with socket.socket(socket.AF_INET) as inet:
        assert peer_process(inet) is None


def test_probe_tells_who_listens(lab_directory: Path) -> None:
    path = str(lab_directory / "s")
    assert probe(path) is Listener.ABSENT
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        assert probe(path) is Listener.REFUSES
        listening.listen()
        assert probe(path) is Listener.ANSWERS
    assert probe(path) is Listener.REFUSES


@pytest.mark.parametrize("path", ["/" + "x" * 200])
def test_probe_that_fails_otherwise_proves_nothing(path: str) -> None:
    assert probe(path) is Listener.UNKNOWN

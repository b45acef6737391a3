import socket
import subprocess
import sys
from pathlib import Path

from vmsnap_tui.backends.qmp.owner import clients

_HOLD = """
import socket, sys
held = socket.socket(socket.AF_UNIX)
held.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_process_that_holds_a_socket_is_named(lab_directory: Path) -> None:
    path = str(lab_directory / "monitor")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        accepted, _ = listening.accept()
        with accepted:
            (found,) = clients(path)
        holder.communicate(b"")
    assert f"(process {holder.pid})" in found


def test_our_own_connection_is_not_told(lab_directory: Path) -> None:
    path = str(lab_directory / "monitor")
    with (
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX) as us,
    ):
        listening.bind(path)
        listening.listen()
        us.connect(path)
        assert clients(path) == ()


def test_path_that_nobody_uses_has_no_clients(lab_directory: Path) -> None:
    assert clients(str(lab_directory / "none")) == ()

import socket
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.qmp.agent_channel import agent, socket_path
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.backends.qmp.process import Process, peer_process
from vmsnap_tui.backends.qmp.replies import ChardevInfo
from vmsnap_tui.backends.qmp.uri import socket_uri
from vmsnap_tui.model.vm import Agent


def ourselves() -> Process:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = peer_process(ours)
    assert process is not None
    return process


@pytest.mark.parametrize(
    ("filename", "path"),
    [
        ("unix:/run/qga,server=on", "/run/qga"),
        ("unix:/run/qga,server", "/run/qga"),
        ("disconnected:unix:/run/qga,server=on", "/run/qga"),
        ("unix:/run/a,b,server=on", "/run/a,b"),
        ("unix:qga.sock,server=on", str(Path.cwd() / "qga.sock")),
        ("unix:", ""),
        ("pty:/dev/pts/3", ""),
        ("", ""),
    ],
)
def test_path_in_a_chardevs_file_name(filename: str, path: str) -> None:
    assert socket_path(filename, ourselves()) == path


def test_relative_path_of_an_unknown_process_leads_nowhere() -> None:
    assert socket_path("unix:qga.sock,server=on", None) == ""


def test_configured_socket_wins_and_its_port_tells_whether_the_agent_is_there() -> None:
    chardevs = [
        ChardevInfo("ga", "unix:/run/found,server=on", frontend_open=True),
        ChardevInfo("x", "unix:/run/chosen,server=on", frontend_open=False),
    ]
    assert agent(chardevs, "ga", "", None) == Agent("/run/found", True)
    assert agent(chardevs, "ga", "/run/chosen", None) == Agent("/run/chosen", False)
    assert agent(chardevs, "ga", "/elsewhere", None) == Agent("/elsewhere", None)
    assert agent(chardevs, "", "", None) is None


@pytest.mark.qemu
async def test_agents_socket_is_found_from_the_machine(machine: StartMachine) -> None:
    web = await machine()
    backend = QmpBackend(socket_uri(str(web.qmp_path)))
    await backend.open()
    (vm,) = await backend.read()
    await backend.close()
    assert vm.agent == Agent(str(web.agent_path), answers=False)


@pytest.mark.guest
async def test_agent_that_runs_has_its_port_open(guest_machine: StartMachine) -> None:
    web = await guest_machine()
    backend = QmpBackend(socket_uri(str(web.qmp_path)))
    await backend.open()
    (vm,) = await backend.read()
    await backend.close()
    assert vm.agent == Agent(str(web.agent_path), answers=True)

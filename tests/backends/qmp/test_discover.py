import asyncio
import sys
from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui.backends.qmp.discover import discover, monitor_sockets
from vmsnap_tui.backends.qmp.uri import socket_uri


@pytest.mark.parametrize(
    ("line", "sockets"),
    [
        ("-qmp unix:/run/a,server=on,wait=off", ("/run/a",)),
        ("--qmp unix:/run/a,server,nowait", ("/run/a",)),
        ("-qmp unix:/run/a,,b=c,server=on", ("/run/a,b=c",)),
        ("-qmp unix:rel.sock,server=on", ("rel.sock",)),
        ("-qmp unix:/run/a", ()),
        ("-qmp unix:/run/a,server=off", ()),
        ("-qmp tcp:127.0.0.1:4444,server=on", ()),
        ("-qmp stdio", ()),
        (
            "-chardev socket,id=m,path=/run/a,server=on -mon chardev=m,mode=control",
            ("/run/a",),
        ),
        ("-chardev socket,id=m,path=/run/a,server=on -mon chardev=m", ()),
        ("-chardev socket,id=m,path=/run/a,server=on", ()),
        (
            "-chardev socket,id=m,path=/run/a,server=on "
            "-object monitor-qmp,id=q,chardev=m",
            ("/run/a",),
        ),
        ("-chardev socket,id=m,fd=3 -mon chardev=m,mode=control", ()),
        ("-qmp unix:/a,server=on -qmp unix:/b,server=on", ("/a", "/b")),
        ("-qmp unix:/var/lib/libvirt/qemu/x,server=on", ()),
        (
            "-chardev socket,id=charmonitor,fd=3,server=on "
            "-mon chardev=charmonitor,id=monitor,mode=control -qmp unix:/a,server=on",
            (),
        ),
        ("-qmp", ()),
        ("", ()),
    ],
)
def test_monitors_of_a_command_line(line: str, sockets: tuple[str, ...]) -> None:
    assert monitor_sockets(line.split()) == sockets


@pytest.mark.qemu
async def test_running_machine_is_found_once(machine: StartMachine) -> None:
    web = await machine(extra_monitor=True)
    found = discover()
    assert found.count(socket_uri(str(web.qmp_path))) == 1
    assert not [uri for uri in found if "qmp2" in uri]
    await web.stop()
    assert socket_uri(str(web.qmp_path)) not in discover()


@pytest.mark.qemu
async def test_monitor_that_is_free_is_found_when_the_first_is_taken(
    machine: StartMachine,
) -> None:
    web = await machine(extra_monitor=True)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOLD, web.qmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    found = discover()
    await holder.communicate(b"")
    assert socket_uri(str(web.directory / "qmp2.sock")) in found
    assert socket_uri(str(web.qmp_path)) not in found


_HOLD = """
import socket, sys
held = socket.socket(socket.AF_UNIX)
held.connect(sys.argv[1])
held.recv(1)
print("held", flush=True)
sys.stdin.read()
"""


def test_only_qemu_is_looked_at(tmp_path: Path) -> None:
    for pid, words in (
        ("10", [b"/usr/bin/vim", b"-qmp", b"unix:/dev/null,server=on"]),
        ("11", [b"/usr/bin/qemu-system-x86_64", b"-qmp", b"unix:/dev/null,server=on"]),
        ("12", []),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(b"".join(w + b"\0" for w in words))
    (tmp_path / "13").mkdir()
    (tmp_path / "self").mkdir()
    assert discover(tmp_path) == ("qmp:///dev/null",)

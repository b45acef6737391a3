"""What is started in an enclosure ends with it, and sees mounts of its own."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vmsnap_tui.lab.enclosure import Bind, Enclosure
from vmsnap_tui.lab.monitor import LabFailed


async def test_binds_are_seen_inside_alone(tmp_path: Path) -> None:
    ours, place = tmp_path / "ours", tmp_path / "place"
    ours.mkdir()
    (ours / "file").write_text("inside")
    enclosure = Enclosure(tmp_path / "log", [Bind(ours, place)])
    await enclosure.start()
    try:
        assert await enclosure.run("cat", str(place / "file")) == "inside"
        assert list(place.iterdir()) == []
    finally:
        await enclosure.stop()
    assert not enclosure.open


async def test_a_daemon_that_was_set_free_ends_with_it(tmp_path: Path) -> None:
    enclosure = Enclosure(tmp_path / "log")
    await enclosure.start()
    # as libvirtd does: a session of its own, and a parent that leaves
    free = "setsid sh -c 'echo $$ >pid; exec sleep infinity' >/dev/null 2>&1 & wait"
    command = enclosure.enter("sh", "-c", f"cd {tmp_path}; {free}")
    process = await asyncio.create_subprocess_exec(*command)
    await enclosure.run("sh", "-c", f"until [ -s {tmp_path}/pid ]; do :; done")
    await enclosure.stop()
    assert await asyncio.wait_for(process.wait(), 10) != 0


async def test_an_orphan_leaves_no_zombie(tmp_path: Path) -> None:
    enclosure = Enclosure(tmp_path / "log")
    await enclosure.start()
    try:
        script = "(sh -c 'echo $$ >pid' &) ; until [ -s pid ]; do :; done;"
        gone = 'while [ -d "/proc/$(cat pid)" ]; do :; done'
        await enclosure.run("sh", "-c", f"cd {tmp_path}; {script} {gone}")
    finally:
        await enclosure.stop()


async def test_a_closed_one_cannot_be_entered(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="closed"):
        Enclosure(tmp_path / "log").enter("true")


async def test_what_cannot_be_bound_is_told(tmp_path: Path) -> None:
    binds = [Bind(tmp_path / "nowhere", tmp_path / "place")]
    with pytest.raises(LabFailed, match="nowhere"):
        await Enclosure(tmp_path / "log", binds).start()


_OWNER = """
import asyncio, sys
from pathlib import Path
from vmsnap_tui.lab.enclosure import Enclosure

async def main():
    enclosure = Enclosure(Path(sys.argv[1]))
    await enclosure.start()
    print(enclosure.first_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_killing_the_owner_ends_all(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, tmp_path / "log"], stdout=subprocess.PIPE
    )
    with owner:
        assert owner.stdout is not None
        first = os.pidfd_open(int(owner.stdout.readline()))
        try:
            assert not select.select([first], [], [], 0)[0]
            owner.send_signal(signal.SIGKILL)
            assert select.select([first], [], [], 10)[0]
        finally:
            os.close(first)

"""Connecting: what is found out, and what is given up."""

import asyncio
import socket
from pathlib import Path

import pytest

from vmsnap_tui.backends.libvirt.dial import Dialled, dial, split
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.lane import hang_up
from vmsnap_tui.backends.libvirt.uri import LibvirtUri, parse_uri
from vmsnap_tui.errors import NoConnection


async def _dial(uri: str | LibvirtUri, limit_s: float = 10) -> Dialled:
    heard: list[Heard] = []
    parsed = parse_uri(uri) if isinstance(uri, str) else uri
    return await dial(parsed, lambda _: None, heard.append, limit_s)


async def test_a_driver_in_this_process_is_opened_once() -> None:
    told = await _dial("test:///default")
    assert told.watch is told.act
    assert (told.driver, told.read_only) == ("TEST", "")
    assert told.libvirt_version >= (9, 0, 0)
    assert told.host_name == socket.gethostname()
    hang_up(told.watch)


async def test_where_nobody_listens_it_is_said_what_to_start(tmp_path: Path) -> None:
    path = tmp_path / "libvirt-sock"
    with pytest.raises(NoConnection) as caught:
        await _dial(f"qemu:///system?socket={path}")
    assert caught.value.cause == "no libvirtd listens there"
    assert "No such file or directory" in caught.value.evidence
    assert str(path) in caught.value.remedy
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    with pytest.raises(NoConnection) as caught:
        await _dial(f"qemu:///system?socket={path}")
    assert "Connection refused" in caught.value.evidence


async def test_whoever_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "libvirt-sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(NoConnection) as caught:
            await _dial(f"qemu:///system?socket={path}", limit_s=0.2)
    assert "no connection within 0.2 s" in caught.value.evidence


async def test_an_attempt_that_is_cancelled_leaves_no_error_behind() -> None:
    attempt = asyncio.create_task(_dial("test:///default"))
    await asyncio.sleep(0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


@pytest.mark.parametrize(
    ("number", "parts"),
    [(9000000, (9, 0, 0)), (11003000, (11, 3, 0)), (7002022, (7, 2, 22))],
)
def test_numbers_of_versions_are_split(
    number: int, parts: tuple[int, int, int]
) -> None:
    assert split(number) == parts

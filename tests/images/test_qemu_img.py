import asyncio
import hashlib
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.images.material import (
    a_chain,
    an_empty_file,
    an_image,
    chain_content,
    tool,
)
from vmsnap_tui.errors import DamagedPoint, PlanRefused, StepFailed
from vmsnap_tui.images.header import read_header
from vmsnap_tui.images.qemu_img import check, convert, create_overlayless


def _nothing(_: float) -> None:
    """Progress that no test looks at."""


async def test_a_target_keeps_its_mode_and_names_its_parent(tmp_path: Path) -> None:
    path = an_empty_file(tmp_path / "disk-vda.qcow2")
    await create_overlayless(path, 10 * 1024**4, "../20261120T083412Z-1a2b3c4d/x.qcow2")
    header = read_header(path)
    assert header.virtual_bytes == 10 * 1024**4
    assert header.backing_file == "../20261120T083412Z-1a2b3c4d/x.qcow2"
    assert header.backing_format == "qcow2"
    assert header.cluster_bytes == 65536
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["a,b=c:d.qcow2", "-rf", "new\nline", "é \x1b[2J"])
async def test_a_targets_name_is_never_an_option_or_a_protocol(
    tmp_path: Path, name: str
) -> None:
    path = an_empty_file(tmp_path / name)
    await create_overlayless(path, 1024 * 1024, None)
    assert (await check(path)).ok
    out = an_empty_file(tmp_path / f"{name}.raw")
    await convert((path,), out, "raw", _nothing)
    assert out.stat().st_size == 1024 * 1024


async def test_a_target_that_is_not_our_empty_private_file_is_refused(
    tmp_path: Path,
) -> None:
    source = an_image(tmp_path / "source.qcow2")
    held = an_empty_file(tmp_path / "held")
    held.write_bytes(b"kept")
    open_to_all = an_empty_file(tmp_path / "open")
    open_to_all.chmod(0o644)
    (tmp_path / "link").symlink_to(an_empty_file(tmp_path / "empty"))
    for path in (held, open_to_all, tmp_path / "link", tmp_path / "none", tmp_path):
        with pytest.raises(PlanRefused):
            await create_overlayless(path, 1024, None)
        with pytest.raises(PlanRefused):
            await convert((source,), path, "raw", _nothing)
    assert held.read_bytes() == b"kept"


@pytest.mark.parametrize("out_format", ["raw", "qcow2"])
async def test_a_chain_is_converted_to_the_content_of_its_top(
    tmp_path: Path, out_format: Literal["raw", "qcow2"]
) -> None:
    chain = a_chain(tmp_path)
    before = [path.read_bytes() for path in chain]
    out = an_empty_file(tmp_path / "out")
    ratios: list[float] = []
    await convert(chain, out, out_format, ratios.append)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert ratios == sorted(ratios)
    assert ratios[-1] == 1.0
    assert [path.read_bytes() for path in chain] == before
    if out_format == "raw":
        assert out.stat().st_blocks * 512 <= 4 * 1024 * 1024
        assert out.read_bytes() == chain_content()
        return
    raw = tmp_path / "raw"
    tool("qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(out), str(raw))
    assert raw.read_bytes() == chain_content()


async def test_the_graph_and_not_the_headers_decides_what_is_read(
    tmp_path: Path,
) -> None:
    """The middle image moved: its header's name leads nowhere, the graph does."""
    top, middle, full = a_chain(tmp_path)
    moved = tmp_path / "moved.qcow2"
    middle.rename(moved)
    out = an_empty_file(tmp_path / "out")
    await convert((top, moved, full), out, "raw", _nothing)
    assert out.read_bytes() == chain_content()


async def test_a_long_chain_is_converted(tmp_path: Path) -> None:
    files = []
    for number in range(40):
        write = f"write -P {number + 1} {number * 64}k 64k"
        files.append(an_image(tmp_path / f"{number}.qcow2", "8M", (write,), "x"))
    out = an_empty_file(tmp_path / "out")
    await convert(tuple(reversed(files)), out, "raw", _nothing)
    content = out.read_bytes()
    assert [content[n * 65536] for n in range(40)] == list(range(1, 41))


async def test_the_deepest_chain_of_a_huge_disk_fits_the_memory_limit(
    tmp_path: Path,
) -> None:
    """QEMU reserves its table caches for each image, whatever is stored in it."""
    files = []
    for number in range(128):
        path = an_empty_file(tmp_path / f"{number}.qcow2")
        await create_overlayless(path, 512 * 1024**3, "below")
        files.append(path)
    out = an_empty_file(tmp_path / "out")
    await convert(tuple(files), out, "qcow2", _nothing)
    assert read_header(out).virtual_bytes == 512 * 1024**3


async def test_check_finds_a_truncated_image_that_convert_would_read_as_zeros(
    tmp_path: Path,
) -> None:
    path = an_image(tmp_path / "x.qcow2", "8M", ("write -P 7 0 4M",))
    assert (await check(path)).ok
    os.truncate(path, 2 * 1024 * 1024)
    before = path.read_bytes()
    result = await check(path)
    assert not result.ok
    assert result.message
    assert path.read_bytes() == before


async def test_a_hostile_backing_name_is_never_opened(tmp_path: Path) -> None:
    """A FIFO would hang, a listener would see a connection, a file would be read."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    connections = 0

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    json_name = (
        'json:{"driver":"nbd","server":'
        f'{{"type":"inet","host":"127.0.0.1","port":"{port}"}}}}'
    )
    names = [str(fifo), "/etc/shadow", "/dev/zero", f"nbd://127.0.0.1:{port}"]
    for number, name in enumerate([*names, json_name, "self.qcow2"]):
        path = an_empty_file(tmp_path / f"{number}.qcow2")
        await create_overlayless(path, 1024 * 1024, name)
        assert (await check(path)).ok
        out = an_empty_file(tmp_path / f"{number}.raw")
        await convert((path,), out, "raw", _nothing)
        assert out.read_bytes() == bytes(1024 * 1024)
    server.close()
    await server.wait_closed()
    assert connections == 0


async def test_an_external_data_file_is_refused_before_qemu_sees_it(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    options = f"data_file={secret},data_file_raw=on"
    path = tmp_path / "x.qcow2"
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(path), "1M")
    secret.write_bytes(b"s" * 1024 * 1024)
    out = an_empty_file(tmp_path / "out")
    with pytest.raises(DamagedPoint, match="data file"):
        await convert((path,), out, "raw", _nothing)
    with pytest.raises(DamagedPoint, match="data file"):
        await check(path)
    assert out.read_bytes() == b""


async def test_a_full_target_is_a_failure_with_qemus_own_words(tmp_path: Path) -> None:
    source = an_image(tmp_path / "x.qcow2", "8M", ("write -P 7 0 8M",))
    out = an_empty_file(tmp_path / "out")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, before[1]))
    try:
        with pytest.raises(StepFailed) as failure:
            await convert((source,), out, "raw", _nothing)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failure.value.evidence
    assert failure.value.remedy


_CANCEL = """
import asyncio, sys
from pathlib import Path
from vmsnap_tui.images.qemu_img import convert
async def main():
    started = asyncio.Event()
    files = tuple(Path(name) for name in sys.argv[2:])
    task = asyncio.create_task(
        convert(files, Path(sys.argv[1]), "raw", lambda _: started.set()))
    await started.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
asyncio.run(main())
"""


def test_a_cancelled_conversion_leaves_no_process(tmp_path: Path) -> None:
    source = an_image(tmp_path / "x.qcow2", "512M", ("write -P 7 0 512M",))
    out = an_empty_file(tmp_path / "out")
    command = [sys.executable, "-c", _CANCEL, str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "cancelled\n"
    holders = [
        link for link in Path("/proc").glob("[0-9]*/fd/*") if _target(link) == str(out)
    ]
    assert holders == []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # the process ended while we looked


async def test_a_failure_names_the_file_and_not_the_whole_graph(
    tmp_path: Path,
) -> None:
    """The L1 table is smaller than the disk needs: QEMU will not open it."""
    top, middle, full = a_chain(tmp_path)
    data = bytearray(full.read_bytes())
    data[36:40] = bytes(4)
    full.write_bytes(data)
    out = an_empty_file(tmp_path / "out")
    with pytest.raises(StepFailed) as failure:
        await convert((top, middle, full), out, "raw", _nothing)
    assert str(top) in failure.value.evidence
    assert "json:" not in failure.value.evidence
    assert "L1" in failure.value.evidence


async def test_two_restores_read_one_chain_at_once(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    outs = [an_empty_file(tmp_path / f"out{n}") for n in range(2)]
    await asyncio.gather(*(convert(chain, out, "raw", _nothing) for out in outs))
    digests = {hashlib.sha256(out.read_bytes()).hexdigest() for out in outs}
    assert digests == {hashlib.sha256(chain_content()).hexdigest()}

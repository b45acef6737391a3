import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from vmsnap_tui.images.digest import fsync_file, sha256_file


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 40 * 1024 * 1024 + 3])
async def test_the_digest_is_that_of_the_whole_file(tmp_path: Path, size: int) -> None:
    data = b"\x5a" * size
    (tmp_path / "f").write_bytes(data)
    seen: list[int] = []
    digest = await sha256_file(tmp_path / "f", seen.append)
    assert digest == hashlib.sha256(data).hexdigest()
    assert seen == sorted(set(seen))
    assert all(0 < done <= size for done in seen)
    assert bool(seen) == (size > 16 * 1024 * 1024)


async def test_links_fifos_and_directories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", ".", "none"):
        with pytest.raises(OSError, match=r"."):
            await sha256_file(tmp_path / name)
    with pytest.raises(OSError, match="symbolic links"):
        await fsync_file(tmp_path / "link")
    await fsync_file(tmp_path / "file")


async def test_a_cancelled_digest_stops_reading(tmp_path: Path) -> None:
    """A sparse file of a tebibyte would be read for minutes; it is closed at once."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1024**4)
    started = asyncio.Event()
    task = asyncio.create_task(sha256_file(path, lambda _: started.set()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    links = Path("/proc/self/fd").iterdir()
    assert str(path) not in {str(link.readlink()) for link in links if link.exists()}

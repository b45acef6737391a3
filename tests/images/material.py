"""Real images for the tests, made by qemu-img and qemu-io."""

import subprocess
from pathlib import Path


def tool(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def an_empty_file(path: Path) -> Path:
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path


def an_image(
    path: Path, size: str = "8M", writes: tuple[str, ...] = (), backing: str = ""
) -> Path:
    """A qcow2 image; `writes` are commands of qemu-io, `backing` a name beside it."""
    below = ("-b", backing, "-F", "qcow2") if backing else ()
    tool("qemu-img", "create", "-q", "-u", "-f", "qcow2", *below, str(path), size)
    for write in writes:
        graph = (
            '{"driver":"qcow2","backing":null,"file":'
            f'{{"driver":"file","filename":"{path}"}}}}'
        )
        tool("qemu-io", "-c", write, f"json:{graph}")
    path.chmod(0o600)
    return path


def a_chain(directory: Path) -> tuple[Path, Path, Path]:
    """Top, middle and full; each adds a pattern of its own, and the disk grows."""
    full = an_image(directory / "full.qcow2", "8M", ("write -P 1 0 2M",))
    middle = an_image(
        directory / "middle.qcow2", "8M", ("write -P 2 1M 2M",), "full.qcow2"
    )
    top = an_image(
        directory / "top.qcow2",
        "12M",
        ("write -P 3 5M 1M", "write -z 0 64k"),
        "middle.qcow2",
    )
    return top, middle, full


def chain_content() -> bytes:
    mib = 1024 * 1024
    content = bytearray(12 * mib)
    content[0 : 2 * mib] = b"\1" * (2 * mib)
    content[mib : 3 * mib] = b"\2" * (2 * mib)
    content[5 * mib : 6 * mib] = b"\3" * mib
    content[0 : 64 * 1024] = bytes(64 * 1024)
    return bytes(content)

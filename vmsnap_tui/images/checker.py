"""Says what is wrong with one stored image: its header, its structure, its digest."""

from collections.abc import Callable
from pathlib import Path

from vmsnap_tui.errors import DamagedPoint
from vmsnap_tui.images.digest import sha256_file
from vmsnap_tui.images.header import Qcow2Header, read_header
from vmsnap_tui.images.qemu_img import check


class StoredImageChecker:
    """The checks of stored images on this machine, by qemu-img and by reading."""

    async def check_structure(
        self, path: Path, virtual_bytes: int, backing: str | None = None
    ) -> list[str]:
        """What is wrong with the image's structure; it is only read.

        Data behind the end of all that the tables refer to was written by a QEMU whose
        last tables were lost: closing an image never fails, whatever the storage says.
        qemu-img takes such an image for sound, as far as it goes.

        `backing` is the one name its header may hold. An image whose header
        points anywhere else is not opened by QEMU at all. Raises VmsnapError
        when qemu-img is not installed.
        """
        try:
            header = read_header(path)
        except ValueError as error:
            return [f"its header makes no sense: {error}"]
        findings = _header_findings(header, virtual_bytes, backing)
        if header.has_data_file:
            return findings
        try:
            result = await check(path)
        except DamagedPoint as error:
            return [*findings, error.evidence]
        if not result.ok:
            findings.append(f"qemu-img check: {result.message}")
        behind = path.stat().st_size - result.end_bytes
        if result.end_bytes and behind > 0:
            findings.append(
                f"{behind} bytes lie behind the last cluster that its tables know of:"
                " what QEMU had to write at the end is missing"
            )
        return findings

    async def sha256_file(
        self, path: Path, progress: Callable[[int], None] | None = None
    ) -> str:
        """The digest of the whole file."""
        return await sha256_file(path, progress)


def _header_findings(
    header: Qcow2Header, virtual_bytes: int, backing: str | None
) -> list[str]:
    wrong = {
        "it keeps its data in another file": header.has_data_file,
        f"its header names another backing file: {header.backing_file!r:.200}": (
            header.backing_file != backing
        ),
        f"its backing format is {header.backing_format!r:.40}": (
            header.backing_file is not None and header.backing_format != "qcow2"
        ),
        f"its virtual size is {header.virtual_bytes}, not {virtual_bytes}": (
            header.virtual_bytes != virtual_bytes
        ),
        "it is marked as corrupt": header.corrupt,
        "it was not closed": header.dirty,
        "it is encrypted": header.encrypted,
    }
    return [finding for finding, found in wrong.items() if found]

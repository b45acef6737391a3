"""The explicit graph under which QEMU opens stored images: nothing by their headers.

Every node is named, every node is read-only, every format is stated, and the
last backing is null. Image locking stays on (QEMU's default): a file that some
QEMU still writes is refused and not read in mid-write.
"""

import json
from pathlib import Path

from vmsnap_tui.errors import DamagedPoint, UsageError
from vmsnap_tui.images.header import read_header


def stored_graph(files: tuple[Path, ...]) -> str:
    """The `json:` name of a chain, the point's own file first and its full last.

    Raises DamagedPoint for a header that would make QEMU open anything else.
    """
    if not files:
        raise UsageError("a chain of no files")
    node: dict[str, object] | None = None
    for path in reversed(files):
        refuse_foreign_data(path)
        node = {
            "driver": "qcow2",
            "read-only": True,
            "file": {"driver": "file", "filename": _name(path), "read-only": True},
            "backing": node,
        }
    return "json:" + json.dumps(node, ensure_ascii=False)


def refuse_foreign_data(path: Path) -> None:
    """Raises DamagedPoint for an image that keeps its data in another file.

    A null backing cannot stop that one: QEMU opens the data file by its name.
    """
    try:
        header = read_header(path)
    except (OSError, ValueError) as error:
        raise _damaged("the stored image's header makes no sense", path, error) from (
            error
        )
    if header.has_data_file:
        raise _damaged("the stored image names an external data file", path, "refused")


def _name(path: Path) -> str:
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the path holds bytes that are not UTF-8, which QEMU's JSON cannot say",
            evidence=repr(name),
            remedy="reach the repository by another path",
        ) from None
    if not path.is_absolute():
        raise UsageError("a stored image is named by its absolute path", evidence=name)
    return name


def _damaged(cause: str, path: Path, reason: object) -> DamagedPoint:
    return DamagedPoint(
        cause, evidence=f"{path}: {reason}", remedy="restore another point"
    )

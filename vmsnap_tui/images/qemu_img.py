"""What qemu-img does for us: make targets, check images, convert chains.

Stored images are only ever opened read-only and by an explicit graph; `commit`,
`rebase` and `check -r` are never run, because each can spoil a file in place.
"""

import json
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmsnap_tui.errors import PlanRefused, StepFailed
from vmsnap_tui.images.digest import fsync_file
from vmsnap_tui.images.graph import stored_graph
from vmsnap_tui.images.process import Limits, Outcome, run
from vmsnap_tui.units import GiB, MiB

_PERCENT = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")
_JSON_LIMIT_BYTES = 1024 * 1024
_EVIDENCE_CHARACTERS = 2000
_CREATE = Limits(cpu_s=60)
_CHECK_CPU_S = 3600


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What `qemu-img check` found; its exit code 0 alone means sound.

    `end_bytes` is where the last cluster ends that the image's tables know of, 0 where
    qemu-img does not tell.
    """

    returncode: int
    corruptions: int
    leaks: int
    message: str
    end_bytes: int = 0

    @property
    def ok(self) -> bool:
        return self.returncode == 0


async def create_overlayless(
    path: Path, virtual_bytes: int, backing: str | None
) -> None:
    """Make an existing empty file with mode 0600 an empty qcow2 target.

    `backing` is only written into the header, for a restore with qemu-img alone;
    nothing opens it. Raises StepFailed or PlanRefused.
    """
    _require_private_file(path, empty=True)
    arguments = ["create", "-q", "-u", "-f", "qcow2", "-o", "cluster_size=64k"]
    if backing is not None:
        arguments += ["-b", backing, "-F", "qcow2"]
    outcome = await run(
        "qemu-img", [*arguments, "--", str(path), str(virtual_bytes)], _CREATE, _ignore
    )
    _require_success(outcome, f"the target {path.name} cannot be made")
    _require_private_file(path, empty=False)


async def check(path: Path) -> CheckResult:
    """The structure of one stored image, by itself; never repaired, never changed.

    Raises DamagedPoint for a header that may not even be opened.
    """
    output = bytearray()
    graph = stored_graph((path,))
    outcome = await run(
        "qemu-img",
        ["check", "--output=json", "--", graph],
        _check_limits(path.stat().st_size),
        lambda data: output.extend(data[: _JSON_LIMIT_BYTES - len(output)]),
    )
    found = _check_counts(bytes(output))
    outcome = _readable(outcome, graph, path)
    message = "" if outcome.returncode == 0 else outcome.evidence
    return CheckResult(
        outcome.returncode,
        found.get("corruptions", 0),
        found.get("leaks", 0),
        message,
        found.get("image-end-offset", 0),
    )


async def convert(
    graph_files: tuple[Path, ...],
    out: Path,
    out_format: Literal["qcow2", "raw"],
    progress: Callable[[float], None],
) -> None:
    """Write a chain's content into an existing empty file with mode 0600, durably.

    `progress` gets a ratio from 0 to 1 that never falls. Zeros stay holes. On
    failure or cancellation `out` holds half of it and is the caller's to remove.
    Raises StepFailed, PlanRefused or DamagedPoint.
    """
    _require_private_file(out, empty=True)
    arguments = ["convert", "-p", "-W", "-m", "8", "-O", out_format]
    graph = stored_graph(graph_files)
    outcome = await run(
        "qemu-img",
        [*arguments, "--", graph, str(out)],
        _convert_limits(len(graph_files)),
        _percent_reader(progress),
    )
    outcome = _readable(outcome, graph, graph_files[0])
    _require_success(outcome, f"{out.name} cannot be written")
    _require_private_file(out, empty=False)
    try:
        await fsync_file(out)
    except OSError as error:
        raise StepFailed(
            f"{out.name} cannot be written", evidence=str(error), remedy=_REMEDY
        ) from error
    progress(1.0)


_REMEDY = "see the free space and the state of the target's file system"


def _check_limits(file_bytes: int) -> Limits:
    """Counting references takes two bytes a cluster, doubled while it grows."""
    return Limits(4 * GiB + file_bytes // 8192, cpu_s=_CHECK_CPU_S, file_bytes=0)


def _convert_limits(depth: int) -> Limits:
    """Each image of a chain may reserve 32 MiB of tables, used or not."""
    return Limits(4 * GiB + depth * 128 * MiB)


def _percent_reader(progress: Callable[[float], None]) -> Callable[[bytes], None]:
    """Reads `    (12.34/100%)\\r` out of chunks that may end anywhere."""
    rest = b""
    highest = 0.0

    def read(data: bytes) -> None:
        nonlocal rest, highest
        text = rest + data
        found = _PERCENT.findall(text)
        rest = text[-32:]
        if found and (ratio := min(float(found[-1]) / 100, 1.0)) > highest:
            highest = ratio
            progress(ratio)

    return read


def _check_counts(output: bytes) -> dict[str, int]:
    try:
        found = json.loads(output.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return {}  # the exit code decides; the counts are for the message
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, int)}


def _require_private_file(path: Path, *, empty: bool) -> None:
    try:
        found = path.lstat()
    except OSError as error:
        raise PlanRefused("the target cannot be used", evidence=str(error)) from error
    private = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
    if not private or not path.is_absolute() or (empty and found.st_size):
        raise PlanRefused(
            "the target is not an empty file of ours with mode 0600",
            evidence=f"{path}: {stat.filemode(found.st_mode)}, {found.st_size} bytes",
            remedy="choose a name that does not exist",
        )


def _readable(outcome: Outcome, graph: str, path: Path) -> Outcome:
    """QEMU's words with the file for the graph, which for a chain fills pages."""
    said = outcome.stderr.replace(graph, str(path))
    return Outcome(outcome.returncode, said[:_EVIDENCE_CHARACTERS])


def _require_success(outcome: Outcome, cause: str) -> None:
    if outcome.returncode != 0:
        raise StepFailed(cause, evidence=outcome.evidence, remedy=_REMEDY)


def _ignore(_: bytes) -> None:
    """Nothing on stdout matters."""

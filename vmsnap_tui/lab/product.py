"""The product as an operator's shell runs it: a whole process, by its command line.

What measures the product must not share its process: imports that are done, caches
that are warm and a garbage collector that has work would be measured with it.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabFailed


@dataclass(frozen=True, slots=True)
class Ran:
    """One invocation: `phases_s` sums the time of its steps by their kind."""

    wall_s: float
    out: str
    phases_s: dict[str, float]

    @property
    def document(self) -> Any:
        """The one JSON document of a verb that was asked for it."""
        return json.loads(self.out)

    def spent_s(self, *kinds: str) -> float:
        """Seconds in the steps of these kinds."""
        return sum(self.phases_s.get(kind, 0.0) for kind in kinds)


class Product:
    """Runs vmsnap-tui on a repository and a state directory below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.repository = directory / "repository"
        self._state = directory / "state"

    @property
    def environment(self) -> dict[str, str]:
        """Journals and locks are kept apart from the operator's own, and Python is
        left as it is installed: without its cache of compiled files it needs twice
        the time to start."""
        ours = ("VMSNAP_", "PYTHON")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return {**kept, "VMSNAP_STATE_DIR": str(self._state)}

    def command(self, *words: str, connect: tuple[str, ...] = ()) -> list[str]:
        """Return the command line with these connections."""
        pairs = [word for uri in connect for word in ("--connect", uri)]
        return [*program(), *pairs, "--repo", str(self.repository), *words]

    def run(self, *words: str, connect: tuple[str, ...] = ()) -> Ran:
        """Run it to its end. Raises LabFailed with what it said when it fails."""
        took, done = timed(self.command(*words, connect=connect), self.environment)
        operation = json.loads(done.stdout) if "--yes" in words else {}
        journal = operation.get("journal")
        phases_s = _phases_s(Path(journal), done.stderr) if journal else {}
        return Ran(took.wall_s, done.stdout, phases_s)


def nameless(*machines: Machine) -> tuple[str, ...]:
    """Return connections to machines that let QEMU tell their names."""
    return tuple(f"qmp://{m.qmp_path}?agent={m.agent_path}" for m in machines)


def program() -> list[str]:
    """Return how the installed program is called, without a word more."""
    script = Path(sys.executable).with_name("vmsnap-tui")
    return [str(script)] if script.exists() else [sys.executable, "-m", "vmsnap_tui"]


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of a process: by the clock, and on a core, which a busy machine hardly
    changes."""

    wall_s: float
    cpu_s: float


def timed(
    command: list[str], environment: dict[str, str]
) -> tuple[Took, subprocess.CompletedProcess[str]]:
    """Run a process to its end. Raises LabFailed when it fails."""
    before_s, began_s = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    took = Took(time.perf_counter() - began_s, _children_cpu_s() - before_s)
    if done.returncode != 0:
        raise LabFailed(f"{command[0]} failed", evidence=done.stderr.strip())
    return took, done


def _children_cpu_s() -> float:
    """Of all children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _phases_s(journal: Path, told: str) -> dict[str, float]:
    """The seconds that stderr tells of each step, by its kind in the journal."""
    header = json.loads(journal.read_text("utf-8").partition("\n")[0])
    kinds = [step["step"] for step in header["plan"]["steps"]]
    phases_s = dict.fromkeys(kinds, 0.0)
    for line in map(json.loads, told.splitlines()):
        if line["type"] == "step-ended":
            phases_s[kinds[line["step"] - 1]] += line["elapsed_s"]
    return phases_s

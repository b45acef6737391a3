"""How fast the program is there, and what it costs while nothing happens.

Each against the least that any such program takes: Python alone, Textual alone.
"""

import contextlib
import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.lab.bench_disks import Sizes
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.product import Product, nameless, program, timed
from vmsnap_tui.lab.series import Figure, Measured, Values, in_turn, median_of

VERSION_AT_MOST_S = 0.050
LIST_AT_MOST_S = 0.200
SCREEN_AT_MOST_S = 0.350
MEMORY_AT_MOST_MB = 60.0
IDLE_AT_MOST_PERCENT = 0.5
SCREEN_WITHIN_S = 30.0
SETTLED_S = 5.0
"""What is started lazily has started by then."""

_LINES, _COLUMNS = 36, 120
_SHORT_RUNS = 4
"""Processes take milliseconds: so many more rounds than of a backup."""

BARE_TEXTUAL = """\
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("web-01 db-01")
Bare().run()
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """Machines that run, and the names by which they are known on the screen."""

    connect: tuple[str, ...]
    names: tuple[str, ...]


Stage = Callable[[Path], AbstractAsyncContextManager[Shown]]
"""What is listed and shown: machines with a monitor, or the domains of a libvirt."""


async def commands(sizes: Sizes, directory: Path, stage: Stage) -> Measured:
    """Whole processes: what a script or a monitoring system waits for."""
    product = Product(directory)
    async with stage(directory) as shown:
        words = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "vmsnap-tui --version": [*program(), "--version"],
            "vmsnap-tui list": product.command("list", connect=shown.connect[:1]),
        }

        async def each() -> Values:
            values: Values = {}
            for name, command in words.items():
                took, _ = timed(command, product.environment)
                values |= {name: took.wall_s, f"{name}{_ON_A_CORE}": took.cpu_s}
            return values

        series = await in_turn(sizes.rounds * _SHORT_RUNS, (each,))
    version_s = median_of(series, "vmsnap-tui --version")
    list_s = median_of(series, "vmsnap-tui list")
    return Measured(
        "commands",
        "whole processes; list of one connection",
        tuple(series),
        (
            Figure("--version", "s", version_s, at_most=VERSION_AT_MOST_S),
            Figure("list", "s", list_s, at_most=LIST_AT_MOST_S),
        ),
    )


async def screen(sizes: Sizes, directory: Path, stage: Stage) -> Measured:
    """The UI on two machines in a real terminal, from its start to being left alone."""
    product = Product(directory)
    async with stage(directory) as shown:
        ui, names = product.command(connect=shown.connect), shown.names

        async def ours() -> Values:
            with Terminal(ui, product.environment) as terminal:
                return first_screen("vmsnap-tui, names on screen", terminal, names)

        async def bare() -> Values:
            command = [sys.executable, "-c", BARE_TEXTUAL]
            with Terminal(command, product.environment) as terminal:
                return first_screen("bare Textual, names on screen", terminal, names)

        series = await in_turn(sizes.rounds, (ours, bare))
        with Terminal(ui, product.environment) as terminal:
            terminal.until(*names)
            figures = left_alone(terminal, sizes.watched_s, MEMORY_AT_MOST_MB)
    screen_s = median_of(series, "vmsnap-tui, names on screen")
    first = Figure("first useful screen", "s", screen_s, at_most=SCREEN_AT_MOST_S)
    return Measured(
        "screen",
        f"the UI on 2 paused machines, {_COLUMNS}×{_LINES}; left alone for"
        f" {sizes.watched_s:g} s",
        tuple(series),
        (first, *figures),
    )


_ON_A_CORE = ", on a core"


def first_screen(name: str, terminal: "Terminal", names: tuple[str, ...]) -> Values:
    """By the clock, and what it had computed by then."""
    wall_s = terminal.until(*names)
    return {name: wall_s, f"{name}{_ON_A_CORE}": terminal.cpu_s}


def left_alone(
    terminal: "Terminal", watched_s: float, memory_at_most_mb: float
) -> tuple[Figure, ...]:
    """Memory when it has settled, then what it uses while nobody touches it."""
    terminal.read_for(min(SETTLED_S, watched_s))
    memory_mb = terminal.memory_mb
    cpu_before_s = terminal.cpu_s
    written = terminal.read_for(watched_s)
    percent = 100 * (terminal.cpu_s - cpu_before_s) / watched_s
    return (
        Figure("memory (RSS)", "MB", memory_mb, at_most=memory_at_most_mb),
        Figure("idle", "% of a core", percent, at_most=IDLE_AT_MOST_PERCENT),
        Figure("idle, to the terminal", "B/s", written / watched_s),
    )


class Terminal:
    """A program on a terminal of its own, which ends with the block."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (_LINES, _COLUMNS))
        self._began_s = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        """End the program; what it still writes is nobody's."""
        self._process.terminate()
        try:
            while self._read(SCREEN_WITHIN_S):
                continue
            self._process.wait(SCREEN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def until(self, *texts: str) -> float:
        """Seconds from the start until all texts were drawn; raises LabFailed."""
        drawn = b""
        while not all(text.encode() in drawn for text in texts):
            more = self._read(SCREEN_WITHIN_S)
            if not more:
                raise LabFailed("never drew the names", evidence=repr(drawn[-500:]))
            drawn += more
        return time.perf_counter() - self._began_s

    def press(self, keys: str) -> None:
        """Type, and wait until something is drawn for it; raises LabFailed."""
        os.write(self._master, keys.encode())
        if not self._read(SCREEN_WITHIN_S):
            raise LabFailed("drew nothing", evidence=f"for the key {keys!r}")

    def read_for(self, seconds: float) -> int:
        """Read what is drawn for so long; return how many bytes it was."""
        end_s = time.perf_counter() + seconds
        count = 0
        while (left_s := end_s - time.perf_counter()) > 0:
            count += len(self._read(left_s))
        return count

    @property
    def memory_mb(self) -> float:
        """Resident memory, in millions of bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    @property
    def cpu_s(self) -> float:
        """Seconds on a core since the start, of all threads."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, within_s: float) -> bytes:
        """What was drawn; nothing when the time is over or the program has ended."""
        ready, _, _ = select.select([self._master], [], [], within_s)
        with contextlib.suppress(OSError):
            return os.read(self._master, 1 << 16) if ready else b""
        return b""


@asynccontextmanager
async def two_machines(directory: Path) -> AsyncIterator[Shown]:
    """Two paused machines, whose directories do not bear their names: on the screen
    these are known by QEMU's answer alone."""
    machines = tuple(
        Machine(MachineSpec(name, (DiskSpec("vda"), DiskSpec("vdb"))), directory / path)
        for name, path in (("web-01", "m0"), ("db-01", "m1"))
    )
    async with contextlib.AsyncExitStack() as stack:
        for machine in machines:
            stack.push_async_callback(machine.stop)
            await machine.start()
        yield Shown(nameless(*machines), tuple(machine.name for machine in machines))

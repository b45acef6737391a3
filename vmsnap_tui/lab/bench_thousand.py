"""A thousand domains on one connection: the screen, the memory, each key, each read."""

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vmsnap_tui.lab.bench_disks import TARGETS, Sizes
from vmsnap_tui.lab.bench_libvirt import private_libvirtd, two_domains
from vmsnap_tui.lab.bench_screens import Shown, Terminal, first_screen, left_alone
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.disks import LabDisk
from vmsnap_tui.lab.domain_xml import domain_xml
from vmsnap_tui.lab.product import Product
from vmsnap_tui.lab.series import (
    Figure,
    Measured,
    Series,
    Take,
    Values,
    in_turn,
    median_of,
)

DOMAINS = 1000
SCREEN_AT_MOST_S = 0.5
MEMORY_AT_MOST_MB = 80.0
KEY_AT_MOST_S = 0.005
"""On top of what any key costs that has the screen drawn anew."""
READ_AT_MOST_S = 0.010

_DEFINED_AT_ONCE = 200
_READS = 25
_WORD = "m-04"
"""Each letter of it leaves fewer names, and each that is taken back more."""
_TYPED = 3
_QUIET_S = 0.06
_BACKSPACE = "\x7f"
_FIRST, _KEY = "names on screen", "a key of the filter"


async def thousand(sizes: Sizes, directory: Path, domains: int = DOMAINS) -> Measured:
    """The UI on a thousand domains that are off, and on two that run, in turn."""
    few, many = directory / "few", directory / "many"
    few.mkdir(mode=0o700)
    many.mkdir(mode=0o700)
    async with two_domains(few) as two, defined(many, domains) as all_of_them:
        series = await in_turn(
            sizes.rounds,
            (_opened(_TWO, two, few), _opened(_MANY, all_of_them, many)),
        )
        ui = Product(many)
        command = ui.command(connect=all_of_them.connect)
        with Terminal(command, ui.environment) as terminal:
            terminal.until(*all_of_them.names)
            alone = left_alone(terminal, sizes.watched_s, MEMORY_AT_MOST_MB)
        series.append(await _read_again(all_of_them.connect[0]))
    first_s = median_of(series, f"{_MANY}, {_FIRST}")
    few_s, many_s = (
        median_of(series, f"{what}, {_KEY}, on a core") for what in (_TWO, _MANY)
    )
    read_s = median_of(series, _READ)
    return Measured(
        "thousand",
        f"the UI on {domains} domains that are off, with 2 disks each",
        tuple(series),
        (
            Figure("first useful screen", "s", first_s, at_most=SCREEN_AT_MOST_S),
            Figure("added to a key", "s", many_s - few_s, at_most=KEY_AT_MOST_S),
            Figure("reading all again", "s", read_s, at_most=READ_AT_MOST_S),
            *alone,
        ),
    )


_TWO, _MANY = "two domains", "a thousand domains"
_READ = "a thousand domains, reading all again"


def _opened(what: str, shown: Shown, directory: Path) -> Take:
    """One opening of the UI, and some typing in its filter."""
    product = Product(directory)
    command = product.command(connect=shown.connect)

    async def take() -> Values:
        with Terminal(command, product.environment) as terminal:
            values = first_screen(f"{what}, {_FIRST}", terminal, shown.names)
            return values | _typed(f"{what}, {_KEY}", terminal)

    return take


def _typed(name: str, terminal: Terminal) -> Values:
    """What a key takes until it is drawn, and on a core until all is quiet."""
    terminal.press("/")
    terminal.read_for(_QUIET_S)
    keys = [*_WORD, *(_BACKSPACE for _ in _WORD)] * _TYPED
    waits_s, cpu_before_s = [], terminal.cpu_s
    for key in keys:
        began_s = time.perf_counter()
        terminal.press(key)
        waits_s.append(time.perf_counter() - began_s)
        terminal.read_for(_QUIET_S)
    cpu_s = (terminal.cpu_s - cpu_before_s) / len(keys)
    return {name: statistics.median(waits_s), f"{name}, on a core": cpu_s}


async def _read_again(uri: str) -> Series:
    """In this process: what an event that changes nothing costs."""
    from vmsnap_tui.backends.libvirt.backend import LibvirtBackend

    backend = LibvirtBackend(uri)
    await backend.open()
    values = []
    try:
        await backend.read()
        for _ in range(_READS):
            began_s = time.perf_counter()
            await backend.read()
            values.append(time.perf_counter() - began_s)
    finally:
        await backend.close()
    return Series(_READ, "s", tuple(values))


@asynccontextmanager
async def defined(directory: Path, domains: int) -> AsyncIterator[Shown]:
    """Define so many domains, whose disks nobody made: none of them is started."""
    async with private_libvirtd(directory) as daemon:
        names = [f"vm-{number:04}" for number in range(domains)]
        commands = [f"define {_definition(name, directory)}" for name in names]
        for at in range(0, domains, _DEFINED_AT_ONCE):
            await daemon.virsh("; ".join(commands[at : at + _DEFINED_AT_ONCE]))
        yield Shown((daemon.uri,), (names[0], names[min(10, domains - 1)]))


def _definition(name: str, directory: Path) -> Path:
    disks = [
        LabDisk(target, ((directory / f"{name}-{target}.qcow2", "qcow2"),))
        for target in TARGETS
    ]
    path = directory / f"{name}.xml"
    path.write_text(domain_xml(MachineSpec(name), disks, directory, None))
    return path

"""The benchmark: what the product adds to QEMU, as ratios of medians in one run.

`python -m vmsnap_tui.lab.bench [MEASURE…]`. A figure that is taken alone says more of
the machine than of the program, so each is taken in turn with QEMU's own by hand.
Nothing in the tests depends on a time: a busy machine breaks no build.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from vmsnap_tui.lab import bench_disks, bench_libvirt, bench_screens, bench_thousand
from vmsnap_tui.lab.accelerator import accelerator
from vmsnap_tui.lab.bench_disks import Sizes, on_a_machine
from vmsnap_tui.lab.bench_libvirt import on_a_domain, two_domains
from vmsnap_tui.lab.bench_screens import two_machines
from vmsnap_tui.lab.directory import private_directory
from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.guest import GuestFiles, guest_files
from vmsnap_tui.lab.libvirtd import unavailable
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.series import Measured

Measure = Callable[[Sizes, Path], Awaitable[Measured]]

MEASURES: dict[str, Measure] = {
    "full": partial(bench_disks.full, stand=on_a_machine),
    "incremental": partial(bench_disks.incremental, stand=on_a_machine),
    "idle": partial(bench_disks.idle, stand=on_a_machine),
    "restore": bench_disks.restore,
    "freeze": bench_disks.freeze,
    "commands": partial(bench_screens.commands, stage=two_machines),
    "screen": partial(bench_screens.screen, stage=two_machines),
    "libvirt-full": partial(bench_disks.full, stand=on_a_domain),
    "libvirt-incremental": partial(bench_disks.incremental, stand=on_a_domain),
    "libvirt-idle": partial(bench_disks.idle, stand=on_a_domain),
    "libvirt-freeze": bench_libvirt.freeze,
    "libvirt-commands": partial(bench_screens.commands, stage=two_domains),
    "libvirt-screen": partial(bench_screens.screen, stage=two_domains),
    "thousand": bench_thousand.thousand,
}
"""Those after the first of libvirt's are left out where there is none."""


def measures_here() -> tuple[str, ...]:
    """Return what can be measured on this system."""
    if not unavailable() and find_spec("libvirt") is not None:
        return tuple(MEASURES)
    return tuple(MEASURES)[: tuple(MEASURES).index("libvirt-full")]


async def measure(name: str, sizes: Sizes, parent: Path | None = None) -> Measured:
    """Take one measure in a directory of its own, which is gone afterwards."""
    with private_directory(parent) as directory:
        return replace(await MEASURES[name](sizes, directory), name=name)


async def machine_facts() -> dict[str, object]:
    """What the figures were taken on, and how busy it was."""
    version = (await run_tool(["qemu-system-x86_64", "--version"])).splitlines()[0]
    files = await guest_files()
    chosen = await accelerator(files) if isinstance(files, GuestFiles) else "none"
    return {
        "cores": os.cpu_count(),
        "qemu": version,
        "accelerator": chosen,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _said(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", type=_known)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--disk-mib", type=int, default=512)
    parser.add_argument("--changed-mib", type=int, default=100)
    parser.add_argument("--watched-s", type=float, default=10.0)
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the disks are put; /dev/shm leaves the noise of a disk out",
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def _known(name: str) -> str:
    if name not in MEASURES:
        raise argparse.ArgumentTypeError(f"{name!r}: there are {', '.join(MEASURES)}")
    return name


async def main(argv: list[str]) -> None:
    """Take the measures and print them, as tables or as one JSON document."""
    said = _said(argv)
    sizes = Sizes(said.rounds, said.disk_mib, said.changed_mib, said.watched_s)
    facts = await machine_facts()
    if not said.json:
        told = ", ".join(f"{name} {value}" for name, value in facts.items())
        sys.stdout.write(f"{told}; {sizes.rounds} rounds\n")
    measured = []
    for name in said.measures or measures_here():
        sys.stderr.write(f"bench: {name}\n")
        measured.append(await measure(name, sizes, said.directory))
        if not said.json:
            sys.stdout.write("\n" + "\n".join(measured[-1].lines()) + "\n")
            sys.stdout.flush()
    if said.json:
        documents = [each.document() for each in measured]
        whole = {"machine": facts, "rounds": sizes.rounds, "measured": documents}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except LabFailed as failed:
        sys.exit(f"bench: {failed}")

"""Record QEMU's replies for the parser's tests: `python -m tests.backends.qmp.record`.

Records from the QEMU in PATH into tests/data/qmp/VERSION; paths become neutral ones.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.directory import private_directory
from vmsnap_tui.lab.disks import DiskSpec, run_tool
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import LabMonitor

DATA = Path(__file__).parents[2] / "data" / "qmp"
_ASKED: dict[str, dict[str, Any]] = {
    "query-block": {},
    "query-blockstats": {},
    "query-block-jobs": {},
    "query-jobs": {},
    "query-chardev": {},
    "query-status": {},
}
_GRAPH: dict[str, dict[str, Any]] = {
    "query-named-block-nodes": {"flat": True},
    "x-debug-query-block-graph": {},
}
_ONCE: dict[str, dict[str, Any]] = {
    "query-version": {},
    "query-name": {},
    "query-uuid": {},
    "query-qmp-schema": {},
}


async def record() -> Path:
    """Ask three machines: disks of many kinds, a running backup, drives of old."""
    with private_directory() as place:
        kinds = await _started(place, "kinds", "blockdev")
        version = await kinds.lab.execute("query-version")
        numbers = version["qemu"]
        into = DATA / f"{numbers['major']}.{numbers['minor']}.{numbers['micro']}"
        into.mkdir(parents=True, exist_ok=True)
        keep = _Keeper(into, place)
        await _change(kinds, place)
        await keep.replies("kinds", kinds.lab, _ASKED | _GRAPH | _ONCE)
        await _back_up(kinds, place)
        await keep.replies("backup", kinds.lab, _ASKED)
        await kinds.kill()
        drives = await _started(place, "drives", "drive")
        await keep.replies("drives", drives.lab, _ASKED | _GRAPH)
        await drives.kill()
    return into


async def _started(place: Path, name: str, style: Any) -> Machine:
    disks = (DiskSpec("vda", chain_depth=3), DiskSpec("vdb", format="raw"))
    machine = Machine(MachineSpec(name, disks=disks, style=style), place / name)
    await machine.start()
    return machine


async def _change(machine: Machine, place: Path) -> None:
    """Bitmaps of all kinds, a filter on top, a read-only disk and an empty CD drive."""
    lab = machine.lab
    await machine.qemu_io("vda", "write -P 7 0 4M")
    for name, more in (("kept", {"persistent": True}), ("off", {"disabled": True})):
        await lab.execute("block-dirty-bitmap-add", node="vda", name=name, **more)
    await machine.qemu_io("vda", "write -P 7 0 256k")
    for name in ("filtered", "readonly"):
        file = place / f"{name}.qcow2"
        await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, "8M"])
        below = {"driver": "file", "filename": str(file)}
        await lab.execute(
            "blockdev-add",
            driver="qcow2",
            node_name=name,
            file=below,
            read_only=name == "readonly",
        )
    group = {"qom_type": "throttle-group", "id": "slow"}
    await lab.execute("object-add", **group)
    await lab.execute(
        "blockdev-add",
        driver="throttle",
        node_name="throttled",
        throttle_group="slow",
        file="filtered",
    )
    for name, drive in (("vdc", "throttled"), ("vdd", "readonly")):
        await lab.execute("device_add", driver="virtio-blk-pci", id=name, drive=drive)
    await lab.execute("device_add", driver="virtio-scsi-pci", id="scsi")
    await lab.execute("device_add", driver="scsi-cd", id="cd", bus="scsi.0")


async def _back_up(machine: Machine, place: Path) -> None:
    file = place / "target.qcow2"
    await run_tool(["qemu-img", "create", "-q", "-f", "qcow2", file, "64M"])
    below = {"driver": "file", "filename": str(file)}
    await machine.lab.execute(
        "blockdev-add", driver="qcow2", node_name="target", backing=None, file=below
    )
    await machine.lab.execute(
        "blockdev-backup",
        job_id="vmsnap-op1-vda",
        device="vda",
        target="target",
        sync="full",
        speed=65536,
        auto_finalize=False,
        auto_dismiss=False,
    )


class _Keeper:
    def __init__(self, into: Path, place: Path) -> None:
        self._into = into
        self._place = str(place)

    async def replies(
        self, scene: str, lab: LabMonitor, asked: dict[str, dict[str, Any]]
    ) -> None:
        found = {name: await lab.execute(name, **a) for name, a in asked.items()}
        if "query-qmp-schema" in found:
            found["query-qmp-schema"] = _backup_alone(found["query-qmp-schema"])
        text = json.dumps(found, indent=1, sort_keys=True)
        text = text.replace(self._place, "/run/vm")
        (self._into / f"{scene}.json").write_text(text + "\n")


def _backup_alone(schema: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The schema is 200 KiB; one command of it is used."""
    command = next(e for e in schema if e["name"] == "blockdev-backup")
    return [command, next(e for e in schema if e["name"] == command["arg-type"])]


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(record())}\n")

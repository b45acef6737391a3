"""Show one machine: disks with chain, bitmaps and tracking, jobs, checkpoints,
snapshots, and what cannot be done with it here and why.

VM is a name, a uuid, or CONNECTION/NAME where names clash.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode
from vmsnap_tui.units import format_bytes

if TYPE_CHECKING:
    from vmsnap_tui.cli.console import Console
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.disk import Disk, Image
    from vmsnap_tui.model.snapshot import Snapshot
    from vmsnap_tui.model.vm import Vm

SUMMARY = "show one machine: disks, chains, bitmaps, snapshots, limits"
CONNECTS = options.Connects.NEEDED


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("vm", metavar="VM")
    options.add_json(parser)


async def run(engine: "Engine", ns: Namespace, console: "Console") -> ExitCode:
    from vmsnap_tui.cli.tracking import tracking

    vm = await engine.look(ns.vm)
    kept = {disk.target: tracking(engine, vm, disk) for disk in vm.disks}
    alarms = engine.alarms(vm)
    if console.out.as_json:
        fields = _fields(vm)
        fields["alarms"] = list(alarms)
        fields["disks"] = [
            {**_disk_fields(disk), "tracking": asdict(kept[disk.target])}
            for disk in vm.disks
        ]
        console.out.document(fields)
        return ExitCode.DONE
    console.out.line(_headline(vm))
    for alarm in alarms:
        console.out.line(f"alarm: {alarm}")
    for disk in vm.disks:
        console.out.line()
        note = disk.unfit or kept[disk.target].text
        console.out.line(f"{disk.target}  {format_bytes(disk.virtual_bytes)}  {note}")
        if disk.differs:
            console.out.line(f"  caution: {disk.differs}")
        _print_chain(disk, console)
        for record in disk.records or ():
            dirty = record.broken or f"{format_bytes(record.dirty_bytes)} dirty"
            console.out.line(f"  record {record.name}  {dirty}")
    for job in vm.jobs:
        console.out.line()
        console.out.line(f"job {job.id}  {job.status.value}  {job.done_ratio:.0%}")
    _print_kept(vm, console)
    return ExitCode.DONE


def _fields(vm: "Vm") -> dict[str, object]:
    fields = asdict(vm)
    fields["state"] = vm.state.value
    fields["key"] = vm.key
    fields["capabilities"] |= _versions(vm)
    fields["jobs"] = [
        {**asdict(job), "done_ratio": job.done_ratio, "operation": job.operation}
        for job in vm.jobs
    ]
    fields["checkpoints"] = _checkpoints(vm)
    fields["snapshots"] = _snapshots(vm)
    return fields


def _versions(vm: "Vm") -> dict[str, str | None]:
    libvirt = vm.capabilities.libvirt_version
    return {
        "qemu_version": vm.capabilities.version_text,
        "libvirt_version": None if libvirt is None else ".".join(map(str, libvirt)),
    }


def _disk_fields(disk: "Disk") -> dict[str, object]:
    fields = asdict(disk)
    fields["virtual_bytes"] = disk.virtual_bytes
    fields["allocated_bytes"] = disk.allocated_bytes
    return fields


def _checkpoints(vm: "Vm") -> list[dict[str, object]]:
    """The hypervisor's own metadata; where it keeps none, each name of a trusted bitmap
    in the active images, with the disks it is on."""
    if vm.checkpoints is not None:
        return [asdict(checkpoint) for checkpoint in vm.checkpoints]
    disks: dict[str, list[str]] = {}
    for disk in vm.disks:
        for bitmap in disk.chain[0].bitmaps if disk.chain else ():
            if bitmap.trusted:
                disks.setdefault(bitmap.name, []).append(disk.target)
    return [{"name": name, "disks": targets} for name, targets in disks.items()]


def _snapshots(vm: "Vm") -> list[dict[str, object]]:
    """The hypervisor's own metadata; where it keeps none, every overlay of a chain with
    the image it stands on."""
    if vm.snapshots is not None:
        return [{"kind": _kind(each), **asdict(each)} for each in vm.snapshots]
    return [
        {
            "kind": "external",
            "disk": disk.target,
            "image": overlay.path,
            "backing": backing.path,
        }
        for disk in vm.disks
        for overlay, backing in zip(disk.chain, disk.chain[1:], strict=False)
    ]


def _kind(snapshot: "Snapshot") -> str:
    """external, internal, or both; `no` where only the memory was stored."""
    return "+".join(sorted(kind.value for kind in snapshot.kinds)) or "no"


def _print_kept(vm: "Vm", console: "Console") -> None:
    """What the hypervisor keeps of its own, then what cannot be done."""
    if vm.checkpoints or vm.snapshots:
        console.out.line()
    for checkpoint in sorted(vm.checkpoints or (), key=lambda c: c.created_utc):
        disks = " ".join(checkpoint.disks)
        parts = [f"checkpoint {checkpoint.name}", checkpoint.created_utc, disks]
        console.out.line("  ".join(parts + ["current"] * checkpoint.current))
    for snapshot in sorted(vm.snapshots or (), key=lambda s: s.created_utc):
        kind = _kind(snapshot) + (" with memory" if snapshot.memory else "")
        on = f"on {snapshot.parent}" if snapshot.parent else "on nothing"
        parts = [f"snapshot {snapshot.name}", snapshot.created_utc, kind, on]
        console.out.line("  ".join(parts + ["current"] * snapshot.current))
    if vm.limits:
        console.out.line()
    for limit in vm.limits:
        word = "caution" if limit.warns else "cannot"
        console.out.line(f"{word} {limit.ability.value}: {limit.sentence}")


def _headline(vm: "Vm") -> str:
    agent = "no agent"
    if vm.agent is not None:
        known = {True: "agent ok", False: "agent not connected", None: "agent"}
        agent = known[vm.agent.answers]
    return (
        f"{vm.name}  {vm.state.value} ({vm.status})  {agent}"
        f"  {vm.capabilities.label}  {vm.uuid}  {vm.connection}"
    )


def _print_chain(disk: "Disk", console: "Console") -> None:
    for depth, image in enumerate(disk.chain):
        console.out.line(f"  {_image_line(image, depth, len(disk.chain))}")
        for bitmap in image.bitmaps:
            state = "recording" if bitmap.recording else "disabled"
            state = "inconsistent" if bitmap.inconsistent else state
            busy = " busy" if bitmap.busy else ""
            dirty = format_bytes(bitmap.dirty_bytes)
            console.out.line(f"    bitmap {bitmap.name}  {dirty} dirty  {state}{busy}")


def _image_line(image: "Image", depth: int, length: int) -> str:
    place = "active" if depth == 0 else "base" if depth == length - 1 else "backing"
    access = "read-only" if image.read_only else "read-write"
    room = format_bytes(image.allocated_bytes)
    return f"{place:<8}{image.path}  {image.format}  {room}  {access}"

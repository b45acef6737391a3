"""The exact commands behind each step, to read and to copy."""

import json
import shlex

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import (
    AdoptCheckpoint,
    AttachTargets,
    CommitPoint,
    CreateTarget,
    DetachTargets,
    DropBitmaps,
    FinalizeJobs,
    FreezeGuest,
    KeepDefinition,
    RestoreDisk,
    SealTarget,
    StartBackup,
    Step,
    ThawGuest,
)


def commands_of(
    step: Step, plan: Plan, backend: Backend | None, vm: Vm | None
) -> tuple[str, ...]:
    """QMP as JSON, the agent's JSON, and shell lines; empty for what is ours alone."""
    if vm is not None and backend is not None:
        told = _to_machine(step, backend, vm)
        if told:
            return told
    return _on_disk(step, plan)


def _to_machine(step: Step, backend: Backend, vm: Vm) -> tuple[str, ...]:
    wire = backend.wire
    match step:
        case KeepDefinition():
            return wire.definition(vm)
        case AttachTargets():
            return wire.attach_targets(vm, step.instant)
        case StartBackup():
            return wire.start_backup(vm, step.instant)
        case FinalizeJobs():
            return wire.finalize_jobs(vm, step.instant)
        case DetachTargets():
            return wire.detach_targets(vm, step.instant)
        case DropBitmaps():
            return wire.drop_bitmaps(vm, step.bitmaps)
        case AdoptCheckpoint():
            return wire.adopt_checkpoint(vm, step.name, step.targets)
        case FreezeGuest():
            return wire.freeze(vm)
        case ThawGuest():
            return wire.thaw(vm)
        case _:
            return ()


def _on_disk(step: Step, plan: Plan) -> tuple[str, ...]:
    partial = f"{plan.repository}/tmp/{plan.point}"
    match step:
        case CreateTarget():
            backing = ["-b", step.backing, "-F", "qcow2"] if step.backing else []
            path, size = f"{partial}/{step.file}", str(step.virtual_bytes)
            create = ["qemu-img", "create", "-u", "-f", "qcow2"]
            return (_shell(*create, *backing, path, size),)
        case SealTarget():
            path = f"{partial}/{step.file}"
            check = _shell("qemu-img", "check", _json((path,)))
            return (check, _shell("sha256sum", path))
        case CommitPoint():
            return (_shell("mv", "-T", partial, f"…/points/{step.point}"),)
        case RestoreDisk():
            chain = _chain_of(plan, step.target)
            convert = ["qemu-img", "convert", "-O", step.format]
            return (_shell(*convert, _json(chain), step.partial),)
        case _:
            return ()


def _chain_of(plan: Plan, target: str) -> tuple[str, ...]:
    return next(disk.before for disk in plan.disks if disk.target == target)


def _json(files: tuple[str, ...]) -> str:
    """The chain by its files alone: no header's backing name is followed."""
    return "json:" + json.dumps(_graph(files), separators=(",", ":"))


def _graph(files: tuple[str, ...]) -> dict[str, object]:
    head, *rest = files
    backing = _graph(tuple(rest)) if rest else None
    file = {"driver": "file", "filename": head}
    return {"driver": "qcow2", "file": file, "backing": backing}


def _shell(*words: str) -> str:
    return shlex.join(words)

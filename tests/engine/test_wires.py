"""What is shown to be copied is what is sent, and what runs when it is pasted."""

import json
import shlex
import subprocess
from pathlib import Path

from tests.plan.material import (
    EARLIER,
    IDENTITY,
    POINT,
    a_bitmap,
    a_disk,
    a_point,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.backends.memory import MemoryBackend
from vmsnap_tui.engine.wires import commands_of
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RestoreFormat, RestoreRequest
from vmsnap_tui.plan.restore import Ground, StoredPoint, plan_restore
from vmsnap_tui.plan.steps import CreateTarget, SealTarget

VM = a_vm(a_disk(an_image("base", a_bitmap())))
BACKUP = plan_backup(
    VM, BackupRequest("web-01", quiesce=True), a_shelf(stored()), IDENTITY
)


def told(plan: Plan, backend: MemoryBackend | None) -> dict[str, tuple[str, ...]]:
    vm = VM if backend else None
    return {
        type(step).__name__: commands_of(step, plan, backend, vm) for step in plan.steps
    }


def ran(command: str) -> str:
    done = subprocess.run(
        shlex.split(command), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_every_step_tells_what_is_sent_for_it() -> None:
    partial = f"/backup/tmp/{POINT}"
    file = f"{partial}/disk-vda.qcow2"
    job = f"vmsnap-{IDENTITY.operation}-vda"
    by_step = told(BACKUP, MemoryBackend())
    drops = by_step.pop("DropBitmaps")
    assert len(drops) == 2
    assert all(line.startswith("drop ") for line in drops)
    assert by_step == {
        "PreparePoint": (),
        "CreateTarget": (
            f"qemu-img create -u -f qcow2 -b ../{EARLIER}/disk-vda.qcow2 -F qcow2"
            f" {file} {10 << 30}",
        ),
        "AttachTargets": (f"attach {file}",),
        "FreezeGuest": ("freeze web-01",),
        "StartBackup": (f"start {job}",),
        "ThawGuest": ("thaw web-01",),
        "AwaitJobs": (),
        "FinalizeJobs": (f"finalize {job}",),
        "DetachTargets": (f"detach {file}",),
        "SealTarget": (
            'qemu-img check \'json:{"driver":"qcow2","file":{"driver":"file",'
            f'"filename":"{file}"}},"backing":null}}\'',
            f"sha256sum {file}",
        ),
        "WriteManifest": (),
        "CommitPoint": (f"mv -T {partial} '…/points/{POINT}'",),
    }


def test_without_the_machine_only_what_is_done_on_disk_is_told() -> None:
    by_step = told(BACKUP, None)
    assert {name for name, lines in by_step.items() if lines} == {
        "CreateTarget",
        "SealTarget",
        "CommitPoint",
    }


def test_names_are_quoted_for_the_shell() -> None:
    hostile = "/to/$(reboot) 'x\";\n-rf"
    plan = plan_restore(
        StoredPoint(a_point(stored()), "/b", {"vda": 1}, {"vda": ("/b/a'b",)}),
        RestoreRequest("p", hostile),
        Ground(hostile, frozenset(), 100),
        "op",
    )
    (line,) = told(plan, None)["RestoreDisk"]
    words = shlex.split(line)
    assert words[:4] == ["qemu-img", "convert", "-O", "qcow2"]
    assert words[5:] == [f"{hostile}/vda.qcow2.partial"]
    graph = json.loads(words[4].removeprefix("json:"))
    assert graph["file"]["filename"] == "/b/a'b"


def test_a_backup_s_commands_run_as_they_are_told(tmp_path: Path) -> None:
    """The parent is not where the header says before the commit: nothing follows it."""
    directory = tmp_path / "it's a, repository" / "tmp" / POINT
    directory.mkdir(parents=True)
    plan = plan_backup(
        VM,
        BackupRequest("web-01"),
        a_shelf(stored(), path=str(directory.parents[1])),
        IDENTITY,
    )
    for step in plan.steps:
        if isinstance(step, CreateTarget | SealTarget):
            for line in commands_of(step, plan, None, None):
                ran(line)
    header = json.loads(
        ran(f"qemu-img info --output=json {shlex.quote(f'{directory}/disk-vda.qcow2')}")
    )
    assert header["virtual-size"] == 10 << 30
    assert header["backing-filename"] == f"../{EARLIER}/disk-vda.qcow2"


def test_a_restore_s_commands_read_through_the_whole_chain(tmp_path: Path) -> None:
    full, increment = tmp_path / "p1.qcow2", tmp_path / "p2.qcow2"
    ran(f"qemu-img create -q -f qcow2 {full} 1M")
    ran(f"qemu-io -f qcow2 -c 'write -P 1 0 128k' {full}")
    ran(f"qemu-img create -q -u -f qcow2 -b /nowhere -F qcow2 {increment} 1M")
    graph = {"driver": "qcow2", "file": {"driver": "file", "filename": str(increment)}}
    name = "json:" + json.dumps(graph | {"backing": None})
    ran(shlex.join(["qemu-io", "-c", "write -P 2 64k 64k", name]))
    plan = plan_restore(
        StoredPoint(
            a_point(stored()),
            str(tmp_path),
            {"vda": 1},
            {"vda": (str(increment), str(full))},
        ),
        RestoreRequest("p", str(tmp_path), format=RestoreFormat.RAW),
        Ground(str(tmp_path), frozenset(), 1 << 30),
        "op",
    )
    (line,) = told(plan, None)["RestoreDisk"]
    ran(line)
    data = (tmp_path / "vda.raw.partial").read_bytes()
    block = 64 * 1024
    assert data == b"\1" * block + b"\2" * block + bytes((1 << 20) - 2 * block)

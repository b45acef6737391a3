"""Every step of the union: says what it does, what takes it back, what proves it."""

import ast
import inspect
from typing import get_args

import msgspec
import pytest

from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.point import DiskLevel, ExcludedDisk, Parent
from vmsnap_tui.plan import steps as module
from vmsnap_tui.plan.steps import (
    AbortBackup,
    AdoptCheckpoint,
    AttachTargets,
    AwaitJobs,
    CheckStored,
    CommitPoint,
    CreateTarget,
    DetachTargets,
    DraftDisk,
    DropBitmaps,
    DropPartial,
    DropTargets,
    FinalizeJobs,
    FreezeGuest,
    KeepDefinition,
    PrepareDirectory,
    PreparePoint,
    PublishFiles,
    RemoveFile,
    RestoreDefinition,
    RestoreDisk,
    SealTarget,
    StartBackup,
    Step,
    ThawGuest,
    World,
    WriteManifest,
)

POINT = "20261120T083412Z-1a2b3c4d"
INSTANT = BackupInstant(
    "op",
    (
        DiskInstant(
            target="vda",
            file="/backup/tmp/p/disk-vda.qcow2",
            target_node="vmsnap-t-op-0",
            level=DiskLevel.INCREMENTAL,
            bitmap="new",
            persistent=True,
            scratch_bitmap="new-scratch",
            merge=(RecordedIn("top", "old"), RecordedIn("base", "old")),
        ),
        DiskInstant("vdb", "/b", "t-1", DiskLevel.FULL, "n", False, "n-s", ()),
    ),
    speed_bytes_per_s=7,
    compress=True,
)
DRAFT = DraftDisk(
    target="vda",
    file="disk-vda.qcow2",
    level=DiskLevel.INCREMENTAL,
    reason="tracked",
    parent=Parent("20261119T083412Z-00000000", "ab" * 32),
    virtual_bytes=1 << 30,
    bitmap="new",
    source_path="/images/web é\u202e\n.qcow2",
    source_format="qcow2",
)
PUBLISH = PublishFiles((("/to/a.partial", "/to/a"), ("/to/b.partial", "/to/b")))

STEPS: tuple[Step, ...] = (
    PreparePoint(POINT),
    DropPartial(POINT),
    CreateTarget(POINT, "vda", "disk-vda.qcow2", 1 << 30, None),
    KeepDefinition("key", POINT, "config.xml"),
    AttachTargets("key", INSTANT),
    DropTargets("key", INSTANT),
    FreezeGuest("key", "/run/qga", 10.0),
    ThawGuest("key", "/run/qga"),
    StartBackup("key", INSTANT, was_running=True),
    AbortBackup("key", INSTANT, was_running=True),
    AwaitJobs("key", INSTANT),
    FinalizeJobs("key", INSTANT),
    DetachTargets("key", INSTANT),
    SealTarget(POINT, "vda", "disk-vda.qcow2", 1 << 30),
    WriteManifest(
        point=POINT,
        seq=3,
        vm_name="web-01",
        vm_uuid="",
        vm_key="qmp:///s#web-01",
        qemu_version="7.2.22",
        disks=(DRAFT,),
        excluded=(ExcludedDisk("cd0", "CD drive"),),
    ),
    CommitPoint(POINT),
    DropBitmaps("key", (("base", "old"), ("top", "old"))),
    AdoptCheckpoint("key", "vmsnap-p1", ("vda",)),
    CheckStored(POINT, ("vda", "vdb")),
    PrepareDirectory("/to"),
    RestoreDisk(POINT, "vda", "/to/vda.qcow2.partial", "qcow2"),
    RestoreDefinition(POINT, "/out/config.xml.partial"),
    RemoveFile("/to/vda.qcow2.partial"),
    PUBLISH,
)
"""One of every kind; a kind that is missing fails a test."""

UNDONE_BY = {
    PreparePoint: DropPartial(POINT),
    AttachTargets: DropTargets("key", INSTANT),
    FreezeGuest: ThawGuest("key", "/run/qga"),
    StartBackup: AbortBackup("key", INSTANT, was_running=True),
    RestoreDisk: RemoveFile("/to/vda.qcow2.partial"),
    RestoreDefinition: RemoveFile("/out/config.xml.partial"),
}
"""All others change nothing that the undo of an earlier step does not remove."""


def _name(step: Step) -> str:
    return type(step).__name__


every_step = pytest.mark.parametrize("step", STEPS, ids=_name)


def test_one_of_every_kind_is_tested_here() -> None:
    assert [type(step) for step in STEPS] == list(get_args(Step))


def test_the_union_is_closed_over_every_step_of_the_module() -> None:
    tree = ast.parse(inspect.getsource(module))
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) == "_Step" for base in node.bases)
    }
    assert defined == {kind.__name__ for kind in get_args(Step)}


@every_step
def test_a_step_survives_json(step: Step) -> None:
    data = msgspec.json.encode(step)
    assert msgspec.json.decode(data, type=Step) == step


@every_step
def test_a_step_says_in_one_line_what_it_does(step: Step) -> None:
    text = step.describe()
    assert text
    assert text == text.strip()
    assert "\n" not in text
    assert not text.endswith(".")
    assert not text[0].isupper()


def test_no_two_kinds_of_step_say_the_same() -> None:
    assert len({step.describe() for step in STEPS}) == len(STEPS)


@every_step
def test_what_takes_a_step_back(step: Step) -> None:
    assert step.undo == UNDONE_BY.get(type(step))


@every_step
def test_an_undo_is_a_step_of_the_union_that_has_none_itself(step: Step) -> None:
    """Undoing an undo would be going forward again on the way back."""
    if step.undo is not None:
        assert isinstance(step.undo, get_args(Step))
        assert step.undo.undo is None


def test_what_leaves_something_behind_is_not_done_twice() -> None:
    """A second freeze, job or file of the same name would be refused, or worse."""
    once = {_name(step) for step in STEPS if not step.repeatable}
    assert once == {
        "PreparePoint",
        "CreateTarget",
        "KeepDefinition",
        "AttachTargets",
        "FreezeGuest",
        "StartBackup",
        "RestoreDisk",
        "RestoreDefinition",
        # only ever taken as undoes, which are always tried again
        "DropPartial",
        "DropTargets",
        "AbortBackup",
        "RemoveFile",
    }


def test_only_needless_bitmaps_may_be_left_behind() -> None:
    assert [_name(step) for step in STEPS if step.tidy] == ["DropBitmaps"]


# What proves that a step took effect

EMPTY_WORLD = World()


@every_step
def test_an_empty_world_proves_nothing_but_a_removal(step: Step) -> None:
    assert step.took_effect(EMPTY_WORLD) is isinstance(step, DropPartial)


@pytest.mark.parametrize(
    ("step", "world"),
    [
        (PreparePoint(POINT), World(partial_exists=True)),
        (StartBackup("key", INSTANT, was_running=True), World(backup_started=True)),
        (CommitPoint(POINT), World(point_exists=True)),
        (PUBLISH, World(files=frozenset({"/to/a", "/to/b"}))),
    ],
    ids=["prepared", "started", "committed", "published"],
)
def test_a_step_knows_its_effect(step: Step, world: World) -> None:
    assert step.took_effect(world)


@pytest.mark.parametrize(
    "there",
    [
        {"/to/a"},
        {"/to/a", "/to/b.partial"},
        {"/to/a", "/to/b", "/to/b.partial"},
        {"/to/a.partial", "/to/b.partial"},
    ],
)
def test_files_are_published_all_or_it_is_not_done(there: set[str]) -> None:
    assert not PUBLISH.took_effect(World(files=frozenset(there)))


def test_a_point_that_is_there_still_is_not_dropped() -> None:
    assert not DropPartial(POINT).took_effect(World(partial_exists=True))


# What is said of the particulars


def test_what_is_said_of_the_particulars() -> None:
    said = {_name(step): step.describe() for step in STEPS}
    assert said["CreateTarget"] == "create disk-vda.qcow2 for 1.00 GiB"
    assert said["StartBackup"] == (
        "take the instant of all disks in one transaction: vda incremental, vdb full"
    )
    assert said["DropBitmaps"] == "remove bitmaps that no point needs any more (old)"
    assert said["PublishFiles"] == "name them /to/a, /to/b"
    over = CreateTarget(POINT, "vda", "disk-vda.qcow2", 1 << 30, "../p/disk-vda.qcow2")
    assert over.describe() == (
        "create disk-vda.qcow2 for 1.00 GiB over ../p/disk-vda.qcow2"
    )

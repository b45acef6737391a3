"""The recorded replies of every QEMU at hand, as the model."""

import pytest

from tests.backends.qmp.recordings import VERSIONS, Recording
from vmsnap_tui.backends.qmp import parse
from vmsnap_tui.backends.qmp.replies import (
    BlockGraph,
    BlockInfo,
    BlockJobInfo,
    GraphEdge,
    GraphNode,
    ImageInfo,
    Inserted,
    JobInfo,
)
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.vm import VmState

each_version = pytest.mark.parametrize("version", VERSIONS)


@each_version
def test_chain_runs_from_the_active_image_to_the_base(version: str) -> None:
    chain = Recording(version, "kinds").disks()["vda"].chain
    assert [(image.node, image.path) for image in chain] == [
        ("vda", "/run/vm/kinds/vda.s2.qcow2"),
        ("vda-b1", "/run/vm/kinds/vda.s1.qcow2"),
        ("vda-b2", "/run/vm/kinds/vda.qcow2"),
    ]
    assert [image.read_only for image in chain] == [False, True, True]
    assert {image.format for image in chain} == {"qcow2"}
    assert all(image.can_persist_bitmaps for image in chain)
    assert chain[0].virtual_bytes == 64 << 20
    assert chain[0].allocated_bytes >= 4 << 20


@each_version
def test_without_the_graph_the_files_are_known_and_backing_bitmaps_are_not(
    version: str,
) -> None:
    recording = Recording(version, "kinds")
    alone = recording.disks(with_graph=False)["vda"].chain
    whole = recording.disks()["vda"].chain
    assert [image.path for image in alone] == [image.path for image in whole]
    assert alone[0] == whole[0]
    assert [(i.node, i.bitmaps_known) for i in alone[1:]] == [("", False)] * 2


@each_version
def test_bitmaps_of_the_active_image(version: str) -> None:
    active = Recording(version, "kinds").disks()["vda"].active
    kept, off = active.bitmap("kept"), active.bitmap("off")
    assert kept is not None
    assert off is not None
    assert (kept.persistent, kept.recording, kept.trusted) == (True, True, True)
    assert (kept.granularity_bytes, kept.dirty_bytes) == (65536, 262144)
    assert (off.persistent, off.recording, off.trusted) == (False, False, False)


@each_version
def test_each_unfit_disk_says_why(version: str) -> None:
    disks = Recording(version, "kinds").disks()
    assert {target: disk.unfit for target, disk in disks.items()} == {
        "vda": "",
        "vdb": "",
        "vdc": "a throttle filter is on top of its image",
        "vdd": "read-only",
        "cd": "no medium",
    }
    assert disks["cd"].chain == ()
    assert [image.path for image in disks["vdc"].chain] == ["/run/vm/filtered.qcow2"]


@each_version
def test_raw_image_cannot_keep_bitmaps(version: str) -> None:
    raw = Recording(version, "kinds").disks()["vdb"].active
    assert (raw.format, raw.can_persist_bitmaps) == ("raw", False)


@each_version
def test_guest_io_is_told(version: str) -> None:
    io = Recording(version, "kinds").disks()["vda"].io
    assert io is not None
    assert io.written_bytes >= 0


@each_version
def test_disk_under_a_job_shows_its_files(version: str) -> None:
    recording = Recording(version, "backup")
    disk = recording.disks(with_graph=False)["vda"]
    assert disk.unfit == "a job is at work on it"
    assert [image.path for image in disk.chain] == [
        f"/run/vm/kinds/vda{part}.qcow2" for part in (".s2", ".s1", "")
    ]
    assert {image.bitmaps_known for image in disk.chain} == {False}
    assert {image.format for image in disk.chain} == {"qcow2"}


@each_version
def test_job_is_joined_with_its_limit_and_its_disk(version: str) -> None:
    recording = Recording(version, "backup")
    infos = recording.reply(tuple[JobInfo, ...], "query-jobs")
    block_infos = recording.reply(tuple[BlockJobInfo, ...], "query-block-jobs")
    (job,) = parse.jobs(infos, block_infos, ("vda", "vdb"))
    assert (job.id, job.kind, job.target) == ("vmsnap-op1-vda", "backup", "vda")
    assert job.status in (JobStatus.RUNNING, JobStatus.CREATED)
    assert (job.operation, job.speed_bytes_per_s) == ("op1", 65536)
    assert job.total_bytes > job.done_bytes


@each_version
def test_drives_without_node_names_have_chains_too(version: str) -> None:
    disks = Recording(version, "drives").disks()
    assert set(disks) == {"vda", "vdb"}
    chain = disks["vda"].chain
    assert [image.path for image in chain] == [
        f"/run/vm/drives/vda{part}.qcow2" for part in (".s2", ".s1", "")
    ]
    assert all(image.node.startswith("#block") for image in chain)
    assert all(image.bitmaps_known for image in chain)


def image_named(node: str) -> Inserted:
    return Inserted(image=ImageInfo(f"/{node}"), drv="qcow2", ro=False, node_name=node)


def block(qdev: str = "", device: str = "", node: str = "n") -> BlockInfo:
    return BlockInfo(device=device, qdev=qdev, inserted=image_named(node))


@pytest.mark.parametrize(
    ("drive", "target"),
    [
        (block("/machine/peripheral/vda/virtio-backend"), "vda"),
        (block("/machine/peripheral/ua-a b/virtio-backend"), "ua-a_b"),
        (block("sda"), "sda"),
        (block("/machine/peripheral-anon/device[3]/virtio-backend", "virtio0"),)
        + ("virtio0",),
        (block("/machine/peripheral-anon/device[3]", node="root"), "root"),
        (
            block("/machine/peripheral-anon/device[3]/virtio-backend", node="#block12"),
            "peripheral-anon-device-3",
        ),
        (block("/machine/unattached/device[18]", "ide0-hd0"), "ide0-hd0"),
        (block(".."), "_.."),
    ],
)
def test_target_is_the_first_name_that_survives_a_restart(
    drive: BlockInfo, target: str
) -> None:
    assert [name for name, _ in parse.named_targets([drive])] == [target]


def test_targets_stay_unique_when_they_are_made_safe() -> None:
    drives = [block("a b"), block("a/b"[:1] + "\tb"), block("a_b")]
    targets = [target for target, _ in parse.named_targets(drives)]
    assert targets == ["a_b", "a_b-2", "a_b-3"]


def test_drive_that_no_device_uses_is_a_disk_too() -> None:
    """Its content is somebody's, and a device may be plugged onto it at any time."""
    assert parse.unfit(block(device="loose")) == ""


def test_graph_with_a_loop_ends() -> None:
    edges = BlockGraph(
        nodes=(
            GraphNode(1, "block-driver", "a"),
            GraphNode(2, "block-driver", "b"),
        ),
        edges=(GraphEdge(1, 2, "backing"), GraphEdge(2, 1, "backing")),
    )
    known = parse.graph([image_named("a"), image_named("b")], edges)
    found = parse.chain(image_named("a"), known)
    assert [image.node for image in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("running", VmState.RUNNING),
        ("paused", VmState.PAUSED),
        ("prelaunch", VmState.PAUSED),
        ("io-error", VmState.IO_ERROR),
        ("guest-panicked", VmState.CRASHED),
        ("shutdown", VmState.OFF),
        ("something-new", VmState.UNKNOWN),
    ],
)
def test_status_is_told_as_a_state(status: str, state: VmState) -> None:
    assert parse.vm_state(status) is state


def test_unknown_job_status_is_undefined() -> None:
    (job,) = parse.jobs([JobInfo("j", "backup", "dreaming")], [], [])
    assert job.status is JobStatus.UNDEFINED

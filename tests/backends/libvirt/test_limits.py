"""What libvirt cannot do for a domain."""

from dataclasses import replace

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.backends.libvirt import limits
from vmsnap_tui.backends.libvirt.limits import limits_of
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind
from vmsnap_tui.model.vm import Agent, VmState

BOOKWORM = (9, 0, 0), (7, 2, 22)
NEWEST = (12, 8, 0), (11, 1, 2)
AGENT = Agent("libvirt:u@qemu:///system", True)
RIGHT = "read-only: the right org.libvirt.unix.manage is missing"


def image(number: int) -> Image:
    return Image(f"/srv/{number}.qcow2", "qcow2", f"vda[{number}]", 1, 1, number > 0)


def disk(images: int) -> Disk:
    return Disk("vda", "vda", tuple(image(number) for number in range(images)))


def snapshot(name: str, kind: SnapshotKind, parent: str = "") -> Snapshot:
    return Snapshot(name, "", "running", (SnapshotDisk("vda", kind),), parent)


def first(found: tuple[Limit, ...], ability: Ability) -> Limit | None:
    return next((x for x in found if x.ability is ability and not x.warns), None)


def cautions(found: tuple[Limit, ...], ability: Ability) -> list[Limit]:
    return [x for x in found if x.ability is ability and x.warns]


@pytest.mark.parametrize("versions", [BOOKWORM, NEWEST])
def test_no_libvirt_pauses_jobs_compresses_backups_or_buffers_writes(
    versions: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    found = limits_of(*versions, agent=AGENT)
    for ability in (Ability.PAUSE_JOB, Ability.COMPRESS, Ability.WRITE_BUFFER):
        assert first(found, ability)
    for able in (Ability.BACKUP, Ability.FREEZE, Ability.CANCEL_JOB, Ability.LIMIT_JOB):
        assert first(found, able) is None


def test_the_newest_can_all_the_rest() -> None:
    found = limits_of(*NEWEST, agent=AGENT)
    assert [x.ability for x in found if not x.warns] == [
        Ability.COMPRESS,
        Ability.PAUSE_JOB,
        Ability.WRITE_BUFFER,
    ]
    assert [x.ability for x in found if x.warns] == [Ability.INSPECT]


def test_who_may_only_read_is_told_which_right_is_missing_for_every_action() -> None:
    found = limits_of(*NEWEST, read_only=RIGHT, agent=AGENT)
    for ability in set(Ability) - {Ability.WRITE_BUFFER}:
        limit = first(found, ability)
        assert limit and limit.reason == RIGHT


def test_a_machine_elsewhere_cannot_write_to_a_repository_here() -> None:
    found = limits_of(*NEWEST, local=False, agent=AGENT)
    limit = first(found, Ability.BACKUP)
    assert limit and limit.needs == "vmsnap-tui on that host"
    assert first(found, Ability.FREEZE) is None


@pytest.mark.parametrize("state", [VmState.OFF, VmState.CRASHED])
def test_a_machine_that_is_off_is_not_backed_up(state: VmState) -> None:
    found = limits_of(*NEWEST, state=state)
    limit = first(found, Ability.BACKUP)
    assert limit and "to run" in limit.needs
    assert cautions(found, Ability.REPAIR)


@pytest.mark.parametrize(
    "state", [VmState.RUNNING, VmState.PAUSED, VmState.IO_ERROR, VmState.UNKNOWN]
)
def test_one_whose_qemu_is_there_may_be(state: VmState) -> None:
    assert first(limits_of(*NEWEST, state=state), Ability.BACKUP) is None


def test_without_an_agent_channel_nothing_is_frozen() -> None:
    limit = first(limits_of(*BOOKWORM), Ability.FREEZE)
    assert limit and "org.qemu.guest_agent.0" in limit.needs
    assert cautions(limits_of(*BOOKWORM, agent=AGENT), Ability.FREEZE)
    assert not cautions(limits_of(*BOOKWORM), Ability.FREEZE)


@pytest.mark.parametrize(
    ("version", "capability", "able"),
    [
        ((9, 0, 0), None, False),
        ((9, 9, 0), None, True),
        ((9, 0, 0), True, True),
        ((11, 3, 0), False, False),
    ],
)
def test_libvirts_own_word_on_external_reverts_goes_before_its_version(
    version: tuple[int, ...], capability: bool | None, able: bool
) -> None:
    found = limits_of(version, (7, 2, 22), external_revert=capability)
    assert (first(found, Ability.REVERT_EXTERNAL) is None) == able


CHECKPOINT = Checkpoint("c", "", ("vda",))
BITMAP = Bitmap("b", 65536, 0, True, False, False, True)


@pytest.mark.parametrize("version", [(9, 0, 0), (11, 3, 0), (12, 8, 0)])
@pytest.mark.parametrize(
    "tracked",
    [
        {"checkpoints": (CHECKPOINT,)},
        {"disks": (replace(disk(1), records=(Record("c"),)),)},
        {"disks": (Disk("vda", "", (replace(image(0), bitmaps=(BITMAP,)),)),)},
    ],
    ids=["checkpoint", "record", "bitmap"],
)
def test_no_internal_revert_while_anything_is_recorded(
    version: tuple[int, ...], tracked: dict[str, tuple[Disk, ...]]
) -> None:
    found = limits_of(version, (7, 2, 22), **tracked)  # type: ignore[arg-type]
    limits_ = [x for x in found if x.ability is Ability.REVERT_INTERNAL]
    assert any(x.needs == "no checkpoints" and not x.warns for x in limits_)
    assert first(found, Ability.SNAPSHOT_OFFLINE)
    assert cautions(found, Ability.SNAPSHOT_INTERNAL)
    assert cautions(found, Ability.REVERT_EXTERNAL)


def test_with_nothing_recorded_an_internal_revert_may_be_had() -> None:
    found = limits_of(*NEWEST, disks=(disk(2),), checkpoints=None, snapshots=None)
    assert first(found, Ability.REVERT_INTERNAL) is None


MIXED = (
    snapshot("base", SnapshotKind.INTERNAL),
    snapshot("top", SnapshotKind.EXTERNAL, "base"),
)


def test_mixed_snapshots_are_refused_where_libvirt_would_remove_the_image() -> None:
    for ability in (Ability.MERGE, Ability.DISCARD, Ability.REVERT_INTERNAL):
        before = limits_of((10, 10, 0), (7, 2, 22), snapshots=MIXED)
        limit = first(before, ability)
        assert limit and limit.needs == "libvirt 11.0"
        after = limits_of((11, 0, 0), (7, 2, 22), snapshots=MIXED)
        assert first(after, ability) is None
    assert cautions(after, Ability.REVERT_INTERNAL)


def test_an_internal_one_on_an_external_one_is_not_mixed_that_way() -> None:
    turned = (
        snapshot("base", SnapshotKind.EXTERNAL),
        snapshot("top", SnapshotKind.INTERNAL, "base"),
    )
    found = limits_of((9, 0, 0), (7, 2, 22), snapshots=turned)
    assert first(found, Ability.MERGE) is None


def test_children_and_branches_are_told_of() -> None:
    tree = (
        snapshot("a", SnapshotKind.EXTERNAL),
        snapshot("b", SnapshotKind.EXTERNAL, "a"),
        snapshot("c", SnapshotKind.EXTERNAL, "a"),
    )
    found = limits_of(*NEWEST, snapshots=tree)
    assert cautions(found, Ability.DISCARD) and cautions(found, Ability.MERGE)
    straight = limits_of(*NEWEST, snapshots=tree[:2])
    assert cautions(straight, Ability.DISCARD)
    assert not cautions(straight, Ability.MERGE)


def test_metadata_that_goes_in_a_circle_is_no_matter() -> None:
    circle = (
        snapshot("a", SnapshotKind.EXTERNAL, "b"),
        snapshot("b", SnapshotKind.EXTERNAL, "a"),
    )
    assert limits_of(*NEWEST, snapshots=circle)


def test_a_long_chain_is_told_of() -> None:
    found = limits_of((11, 3, 0), (10, 0, 13), disks=(disk(1), disk(28)))
    assert "27 overlays" in cautions(found, Ability.SNAPSHOT)[-1].reason


def test_what_is_alike_is_worked_out_once() -> None:
    limits._limits.cache_clear()
    for number in range(50):
        limits_of(*BOOKWORM, agent=AGENT, disks=(disk(1 + number % 2),))
    assert limits._limits.cache_info().misses == 2


async def refused_by_libvirt(domain: Domain, *words: str) -> str:
    """What libvirt itself says."""
    with pytest.raises(LabFailed) as refused:
        await domain.libvirtd.virsh(*words)
    return str(refused.value)


@pytest.mark.qemu
async def test_what_is_said_not_to_work_is_refused_by_libvirt_itself(
    domain: StartDomain,
) -> None:
    web = await domain()
    version = await web.libvirtd.virsh("version", "--daemon")
    external = ("--disk-only", "--atomic")
    await web.libvirtd.virsh("snapshot-create-as", web.name, "s1", *external)
    await web.libvirtd.virsh("checkpoint-create-as", web.name, "c1")
    if "daemon: libvirt 9.0" in version:
        said = await refused_by_libvirt(web, "snapshot-revert", web.name, "s1")
        assert "revert to external snapshot not supported" in said
    await web.destroy()
    said = await refused_by_libvirt(web, "backup-begin", web.name)
    assert "domain is not running" in said or "inactive domain" in said
    said = await refused_by_libvirt(
        web, "snapshot-create-as", web.name, "s2", *external
    )
    assert "checkpoint exists" in said


def test_an_io_thread_is_a_caution_of_increments_that_freezing_ends() -> None:
    (caution,) = set(limits_of((9, 0, 0), (7, 2, 22), io_threads=True)) - set(
        limits_of((9, 0, 0), (7, 2, 22))
    )
    assert (caution.ability, caution.warns) == (Ability.INCREMENTAL, True)
    assert "frozen" in caution.needs

"""The scenes of a libvirt fleet: what its metadata says, and what it cannot do."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from vmsnap_tui.backends.libvirt.limits import limits_of
from vmsnap_tui.engine.events import JobsMoved, JobView
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import Job, JobStatus, job_id
from vmsnap_tui.model.snapshot import Snapshot, SnapshotDisk, SnapshotKind
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.fixed_operations import web
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import SMALL, WIDE, Act, Scene, nothing
from vmsnap_tui.tui.scenes import CACHE, disk, point, uri
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.still import Still, StillConnection, still_app
from vmsnap_tui.tui.still_operations import StillApp, StillEngine
from vmsnap_tui.units import GiB, MiB

SYSTEM = "qemu:///system"
REMOTE = "qemu+ssh://backup@hv2/system"
RIGHT = (
    "read-only: /run/libvirt/libvirt-sock belongs to root:libvirt with mode 0660; add"
    " your user to the group libvirt (usermod -aG libvirt USER) and log in again, or"
    " connect as root"
)
_BOOKWORM = Capabilities((7, 2, 22), libvirt_version=(9, 0, 0))
_TRIXIE = Capabilities(
    (10, 0, 13), graph_safe_during_jobs=True, libvirt_version=(11, 3, 0)
)
_POINT = "vmsnap-4e1f20ab-20261120T030000Z-31f0a2bd"
_BEFORE = "vmsnap-4e1f20ab-20261119T030001Z-9c02d4e1"


def domain(
    name: str,
    uuid: str,
    state: VmState,
    disks: tuple[Disk, ...],
    *,
    connection: str = SYSTEM,
    capabilities: Capabilities = _BOOKWORM,
    agent: bool | None = True,
    checkpoints: tuple[Checkpoint, ...] = (),
    snapshots: tuple[Snapshot, ...] = (),
    read_only: str = "",
) -> Vm:
    """A domain with the limits that libvirt's reader would give it."""
    channel = (
        None if agent is None else Agent(f"libvirt:{uuid}@{connection}", answers=agent)
    )
    status = "shutoff" if state is VmState.OFF else state.value
    vm = Vm(name, uuid, connection, state, status, disks, (), channel, capabilities)
    limits = limits_of(
        capabilities.libvirt_version or (),
        capabilities.qemu_version,
        read_only=read_only,
        local=connection == SYSTEM,
        agent=channel,
        state=state,
        disks=disks,
        checkpoints=checkpoints,
        snapshots=snapshots,
    )
    return replace(vm, checkpoints=checkpoints, snapshots=snapshots, limits=limits)


def kept(
    target: str,
    size: int,
    chain: tuple[tuple[str, int], ...],
    records: tuple[Record, ...] = (),
) -> Disk:
    """A disk as libvirt tells of it: no bitmaps, but what is vouched for."""
    bare = disk(target, size, chain, None)
    images = tuple(
        replace(
            image,
            format="qcow2",
            can_persist_bitmaps=True,
            node=target if not number else f"{target}[{number + 1}]",
            path=f"/var/lib/libvirt/images/{image.path.rsplit('/', 1)[-1]}",
        )
        for number, image in enumerate(bare.chain)
    )
    return replace(bare, device=target, chain=images, records=records)


def _external(name: str, created_utc: str, parent: str, **overlays: str) -> Snapshot:
    disks = tuple(
        SnapshotDisk(t, SnapshotKind.EXTERNAL, f"/var/lib/libvirt/images/{file}")
        for t, file in overlays.items()
    )
    return Snapshot(name, created_utc, "disk-snapshot", disks, parent)


def _internal(
    name: str, created_utc: str, *, memory: bool, parent: str = ""
) -> Snapshot:
    disks = (SnapshotDisk("vda", SnapshotKind.INTERNAL),)
    state = "running" if memory else "shutoff"
    return Snapshot(name, created_utc, state, disks, parent, memory=memory)


SHOP = domain(
    "shop-01",
    "2f0c9a4e-71b5-4b6e-8f0e-1c5d7a9b0c11",
    VmState.RUNNING,
    (
        kept(
            "vda",
            40 * GiB,
            (
                ("shop-01.after-upgrade", 1200 * MiB),
                ("shop-01.before-upgrade", 3100 * MiB),
                ("shop-01.qcow2", 22 * GiB),
            ),
            (Record(_BEFORE, 2 * GiB), Record(_POINT, 312 * MiB)),
        ),
        kept(
            "vdb",
            100 * GiB,
            (("shop-01-data.qcow2", 41 * GiB),),
            (Record(_BEFORE, 410 * MiB), Record(_POINT, 84 * MiB)),
        ),
    ),
    checkpoints=(
        Checkpoint(_BEFORE, "2026-11-19T03:00:01Z", ("vda", "vdb")),
        Checkpoint(
            _POINT, "2026-11-20T03:00:00Z", ("vda", "vdb"), _BEFORE, current=True
        ),
        Checkpoint("virtnbdbackup.0", "2026-11-12T22:00:00Z", ("vda",)),
    ),
    snapshots=(
        _external(
            "before-upgrade", "2026-11-18T14:10:00Z", "", vda="shop-01.before-upgrade"
        ),
        replace(
            _external(
                "after-upgrade",
                "2026-11-20T07:20:00Z",
                "before-upgrade",
                vda="shop-01.after-upgrade",
            ),
            current=True,
        ),
    ),
)
LEDGER = domain(
    "ledger-02",
    "6d1b3f80-92c4-4e7d-a1f2-3b4c5d6e7f22",
    VmState.IO_ERROR,
    (
        kept(
            "vda",
            200 * GiB,
            (("ledger-02.qcow2", 131 * GiB),),
            (
                Record(
                    _POINT, broken="libvirt finds no whole bitmap of it in the chain"
                ),
            ),
        ),
    ),
    checkpoints=(Checkpoint(_POINT, "2026-11-20T03:00:00Z", ("vda",), current=True),),
)
DESKTOP = domain(
    "win11",
    "7e2c4091-a3d5-4f8e-b203-4c5d6e7f8033",
    VmState.OFF,
    (kept("vda", 120 * GiB, (("win11.qcow2", 61 * GiB),)),),
    agent=False,
    snapshots=(
        replace(_internal("clean", "2026-08-02T09:00:00Z", memory=False), current=True),
    ),
)
_MIXED = (
    _internal("golden", "2026-09-14T10:00:00Z", memory=True),
    replace(
        _external("patched", "2026-11-02T18:30:00Z", "golden", vda="wiki-01.patched"),
        current=True,
    ),
    _internal("try-php8", "2026-10-21T16:00:00Z", memory=False, parent="golden"),
)
WIKI = domain(
    "wiki-01",
    "8f3d51a2-b4e6-4a9f-8314-5d6e7f809144",
    VmState.RUNNING,
    (
        replace(
            kept(
                "vda",
                30 * GiB,
                (("wiki-01.hotfix", 900 * MiB), ("wiki-01.qcow2", 17 * GiB)),
            ),
            differs="libvirt's definition names wiki-01.patched, QEMU writes to"
            " wiki-01.hotfix: somebody changed the chain past libvirt",
        ),
    ),
    agent=False,
    snapshots=_MIXED,
)
BUILD = domain(
    "build-03",
    "90ae62b3-c5f7-4bb0-9425-6e7f8091a255",
    VmState.PAUSED,
    (kept("vda", 20 * GiB, (("build-03.qcow2", 6 * GiB),)),),
    agent=None,
)
FAR = tuple(
    domain(
        name,
        f"a1bf73c4-d608-4cc1-a536-7f8091a2b36{number}",
        VmState.RUNNING,
        (kept("vda", 20 * GiB, ((f"{name}.qcow2", 9 * GiB),)),),
        connection=REMOTE,
        capabilities=_TRIXIE,
        agent=None,
        read_only=RIGHT,
    )
    for number, name in enumerate(("dns-01", "dns-02"))
)

HOST = Still(
    connections=(
        StillConnection(uri("cache-03"), CACHE),
        StillConnection(SYSTEM, vms=(SHOP, LEDGER, DESKTOP, WIKI, BUILD)),
        StillConnection(REMOTE, vms=FAR),
    ),
    points=(
        (SHOP, point(SHOP, 0, {"vda": 23 * GiB, "vdb": 41 * GiB}), None),
        (SHOP, point(SHOP, 1, {"vda": 540 * MiB, "vdb": 190 * MiB}), None),
        (SHOP, point(SHOP, 2, {"vda": 198 * MiB, "vdb": 77 * MiB}), None),
        (LEDGER, point(LEDGER, 2, {"vda": 120 * GiB}), None),
    ),
)
FORBIDDEN = Still(connections=(StillConnection(REMOTE, vms=FAR),))


def _copying(app: VmsnapApp) -> None:
    """libvirt's backup job, which can be throttled and not paused."""
    view = JobView(
        vm=SHOP.key,
        vm_name=SHOP.name,
        job=Job(
            job_id("9f0c1d2e3a4b", "vda"),
            "backup",
            JobStatus.RUNNING,
            193 * MiB,
            312 * MiB,
            target="vda",
        ),
        title="backup shop-01",
        rate_bytes_per_s=112 * MiB,
        eta_s=1.1,
        write_latency_s=0.0012,
        rates=(1.0, 4.0, 6.0, 5.0, 8.0, 7.0, 8.0, 8.0),
        latencies=(0.2, 0.4, 0.2, 0.7, 0.4, 0.3, 0.9, 0.4),
    )
    app.post_message(EngineSpoke(JobsMoved(SHOP.key, (view,))))


def _scene(
    name: str,
    still: Still,
    keys: tuple[str, ...] = (),
    act: Act = nothing,
    *,
    theme: str = "graphite",
    sizes: tuple[tuple[int, int], ...] = (SMALL, WIDE),
) -> Scene:
    return Scene(name, partial(_opened, still, theme), keys, act, sizes)


def _opened(still: Still, theme: str, directory: Path) -> VmsnapApp:
    return still_app(still, directory, theme)


def _form(directory: Path) -> VmsnapApp:
    """Over an engine that plans without a repository: what is free there is no part of
    a picture."""
    vm = replace(web(), capabilities=_BOOKWORM, limits=SHOP.limits)
    return StillApp(StillEngine(vm), lambda: BackupForm(vm.key))


_TO_SHOP = ("down",) * 4
"""After the machine behind a socket, the heading, an alarm and a paused one."""
_TO_WIKI = ("down",) * 5

SCENES: tuple[Scene, ...] = (
    _scene("libvirt-home", HOST, _TO_SHOP),
    _scene("libvirt-home-paper", HOST, _TO_SHOP, theme="paper"),
    _scene("libvirt-read-only", FORBIDDEN, ("up",)),
    _scene("libvirt-vm", HOST, (*_TO_SHOP, "enter")),
    _scene("libvirt-vm-paper", HOST, (*_TO_SHOP, "enter"), theme="paper"),
    _scene("libvirt-vm-mixed", HOST, (*_TO_WIKI, "enter")),
    Scene("libvirt-backup-form", _form, sizes=(SMALL,)),
    _scene("libvirt-no-pause", HOST, ("j",), _copying, sizes=(SMALL,)),
)

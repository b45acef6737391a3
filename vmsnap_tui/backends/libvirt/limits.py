"""What libvirt cannot do for one domain, and what would have to change.

Versions are `backends.cliffs`; here is what no version of libvirt does, what the rights
of a connection leave, and what the domain itself stands in the way of.
"""

from dataclasses import dataclass
from functools import lru_cache

from vmsnap_tui.backends import cliffs
from vmsnap_tui.backends.cliffs import Program, Trait, Version
from vmsnap_tui.model.checkpoint import Checkpoint
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.snapshot import Snapshot, SnapshotKind
from vmsnap_tui.model.vm import Agent, VmState

_CHANGING = tuple(a for a in Ability if a is not Ability.WRITE_BUFFER)
"""What a connection that may only read leaves out: all of it."""

_OFF = frozenset({VmState.OFF, VmState.CRASHED})
"""No QEMU runs; a machine whose state is not known is taken for neither."""
_NEEDS_QEMU = "the machine to run, paused if need be"

_ALWAYS: tuple[Limit, ...] = (
    Limit(Ability.COMPRESS, "libvirt's backups are not compressed"),
    Limit(Ability.PAUSE_JOB, "libvirt can neither pause a job nor resume it"),
    Limit(
        Ability.WRITE_BUFFER,
        "libvirt's backups have none; a slow, full or dead target can stall the guest",
    ),
    Limit(
        Ability.INSPECT,
        "QEMU is asked past libvirt, which marks the machine as tainted"
        " (custom-monitor)",
        warns=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that the answer hangs on: few combinations over a thousand domains."""

    libvirt: Version
    qemu: Version
    read_only: str
    local: bool
    traits: frozenset[Trait]
    images: int
    external_revert: bool | None


def limits_of(
    libvirt_version: Version,
    qemu_version: Version,
    *,
    read_only: str = "",
    local: bool = True,
    agent: Agent | None = None,
    state: VmState = VmState.RUNNING,
    disks: tuple[Disk, ...] = (),
    checkpoints: tuple[Checkpoint, ...] | None = (),
    snapshots: tuple[Snapshot, ...] | None = (),
    uefi: bool = False,
    io_threads: bool = False,
    external_revert: bool | None = None,
) -> tuple[Limit, ...]:
    """Every limit of one domain, those of its connection first.

    `read_only` is the sentence with the missing right, empty where there is none
    missing; `local` whether QEMU writes to this host's files; `external_revert` whether
    libvirt's capabilities hold `<externalSnapshot/>`, None where that was not read and
    the version has to tell. Cheap: what is alike is worked out once.
    """
    traits = _traits(state, agent, disks, checkpoints or (), snapshots or (), uefi)
    if io_threads:
        traits |= {Trait.IO_THREADS}
    images = max((len(disk.chain) for disk in disks), default=0)
    facts = _Facts(
        libvirt_version, qemu_version, read_only, local, traits, images, external_revert
    )
    return _limits(facts)


def _traits(
    state: VmState,
    agent: Agent | None,
    disks: tuple[Disk, ...],
    checkpoints: tuple[Checkpoint, ...],
    snapshots: tuple[Snapshot, ...],
    uefi: bool,
) -> frozenset[Trait]:
    found = {Trait.SHARED}
    if state in _OFF:
        found.add(Trait.OFF)
    elif state is not VmState.UNKNOWN:
        found.add(Trait.RUNNING)
    if agent is not None:
        found.add(Trait.AGENT)
    if uefi:
        found.add(Trait.UEFI)
    if checkpoints or any(_is_tracked(disk) for disk in disks):
        found.add(Trait.CHECKPOINTS)
    return frozenset(found) | _tree_traits(snapshots)


def _is_tracked(disk: Disk) -> bool:
    return bool(disk.records) or any(image.bitmaps for image in disk.chain)


def _tree_traits(snapshots: tuple[Snapshot, ...]) -> frozenset[Trait]:
    """How the snapshots stand on each other."""
    by_name = {snapshot.name: snapshot for snapshot in snapshots}
    parents = [snapshot.parent for snapshot in snapshots if snapshot.parent in by_name]
    found = set()
    if any(SnapshotKind.EXTERNAL in by_name[name].kinds for name in parents):
        found.add(Trait.CHILDREN)
    if len(set(parents)) < len(parents):
        found.add(Trait.BRANCHES)
    if any(
        SnapshotKind.EXTERNAL in snapshot.kinds
        and any(SnapshotKind.INTERNAL in s.kinds for s in _below(snapshot, by_name))
        for snapshot in snapshots
    ):
        found.add(Trait.MIXED)
    return frozenset(found)


def _below(snapshot: Snapshot, by_name: dict[str, Snapshot]) -> list[Snapshot]:
    """Those that it stands on; metadata that goes in a circle ends the walk."""
    found: list[Snapshot] = []
    parent = by_name.get(snapshot.parent)
    while parent is not None and parent not in found:
        found.append(parent)
        parent = by_name.get(parent.parent)
    return found


@lru_cache(maxsize=1024)
def _limits(facts: _Facts) -> tuple[Limit, ...]:
    versions = {Program.LIBVIRT: facts.libvirt, Program.QEMU: facts.qemu}
    rows = [row for row in cliffs.LIBVIRT if row.ability is not Ability.REVERT_EXTERNAL]
    rows += [row for row in cliffs.QEMU if row.ability is not Ability.WRITE_BUFFER]
    return (
        *(Limit(ability, facts.read_only) for ability in _read_only(facts)),
        *_of_place(facts),
        *_ALWAYS,
        *_external_revert(facts),
        *cliffs.limits(rows, versions, facts.traits),
        *cliffs.depth_limits(facts.libvirt, facts.images),
        *_of_domain(facts.traits),
    )


def _read_only(facts: _Facts) -> tuple[Ability, ...]:
    return _CHANGING if facts.read_only else ()


def _of_place(facts: _Facts) -> tuple[Limit, ...]:
    """What the place of the machine and its state leave out."""
    found = []
    if not facts.local:
        reason = "its QEMU runs on another host, and cannot write to this repository"
        found.append(Limit(Ability.BACKUP, reason, "vmsnap-tui on that host"))
    if Trait.OFF in facts.traits:
        reason = "libvirt backs up a machine only while it runs"
        found.append(Limit(Ability.BACKUP, reason, _NEEDS_QEMU))
        reason = "libvirt drops a checkpoint's metadata and not its bitmaps while off"
        found.append(Limit(Ability.REPAIR, reason, _NEEDS_QEMU, warns=True))
    if Trait.AGENT not in facts.traits:
        reason = "the machine has no guest agent channel"
        needs = "a channel org.qemu.guest_agent.0 in its definition"
        found.append(Limit(Ability.FREEZE, reason, needs))
    return tuple(found)


def _external_revert(facts: _Facts) -> tuple[Limit, ...]:
    """A capability of libvirt tells, and its version only where that was not read."""
    [row] = [r for r in cliffs.LIBVIRT if r.ability is Ability.REVERT_EXTERNAL]
    able = facts.external_revert
    if able is None:
        able = not row.concerns(facts.libvirt)
    limit = row.limit()
    return () if able or limit is None else (limit,)


def _of_domain(traits: frozenset[Trait]) -> tuple[Limit, ...]:
    """What libvirt refuses, or does badly, in every version that was tried."""
    found: list[Limit] = []
    if Trait.CHECKPOINTS in traits:
        found += _BESIDE_CHECKPOINTS
    if Trait.MIXED in traits:
        reason = "reverting past an external snapshot leaves its overlays behind,"
        found.append(
            Limit(Ability.REVERT_INTERNAL, f"{reason} without a word", warns=True)
        )
    if Trait.CHILDREN in traits:
        reason = (
            "libvirt deletes external snapshots one by one, not with their children"
        )
        found.append(Limit(Ability.DISCARD, reason, warns=True))
    if Trait.IO_THREADS in traits:
        reason = (
            "a disk has an I/O thread, and libvirt begins an increment in two moments:"
            " a write between them is in the next point instead"
        )
        found.append(Limit(Ability.INCREMENTAL, reason, _FROZEN, warns=True))
    if Trait.BRANCHES in traits:
        reason = "libvirt deletes no snapshot that has two branches"
        found.append(Limit(Ability.MERGE, reason, warns=True))
    return tuple(found)


_FROZEN = "the guest to be frozen, which shuts that gap"

_BESIDE_CHECKPOINTS: tuple[Limit, ...] = (
    Limit(
        Ability.SNAPSHOT_OFFLINE,
        "libvirt takes no external snapshot of a machine that is off while it has"
        " checkpoints",
        "the machine to run, or no checkpoints",
    ),
    Limit(
        Ability.REVERT_INTERNAL,
        "the record of changes is in the way: the machine would be off, and the record"
        " lost",
        "no checkpoints",
    ),
    Limit(
        Ability.SNAPSHOT_INTERNAL,
        "there would be no way back to it while the machine has checkpoints",
        warns=True,
    ),
    Limit(
        Ability.REVERT_EXTERNAL,
        "after it, the next backup is a full until the snapshot is merged",
        warns=True,
    ),
)

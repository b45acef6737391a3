"""Version cliffs: what a libvirt or a QEMU cannot do safely, and from which on it can.

Sources are libvirt's release notes and source, QEMU's schema, and what was measured on
libvirt 9.0, 11.3 and 12.8 with QEMU 7.2, 10.0 and 11.1. A distribution may have mended
an older version; what it calls itself is all that is known here, so that a cliff which
loses data refuses, and one which only fails warns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from vmsnap_tui.model.limit import Ability, Limit

Version: TypeAlias = tuple[int, ...]

MOST_IMAGES = 200
"""libvirt takes no chain of more (`QEMU_DOMAIN_STORAGE_SOURCE_CHAIN_MAX_DEPTH`)."""
MANY_OVERLAYS = 20
RESTARTABLE_OVERLAYS = 25
_DEEP_FROM, _DEEP_BEFORE = (10, 8), (12, 0)


class Program(StrEnum):
    LIBVIRT = "libvirt"
    QEMU = "QEMU"


class Trait(StrEnum):
    """What of a machine or its connection makes a cliff matter."""

    SHARED = "other programs reach the machine over the same libvirt"
    RUNNING = "its QEMU runs, paused or not"
    OFF = "it is off"
    AGENT = "it has a guest agent channel"
    UEFI = "it boots by UEFI"
    CHECKPOINTS = "changes to it are recorded"
    CHILDREN = "an external snapshot has snapshots under it"
    BRANCHES = "a snapshot has two branches under it"
    MIXED = "an external snapshot stands on an internal one"
    IO_THREADS = "a disk of it has an I/O thread of its own"


@dataclass(frozen=True, slots=True)
class Cliff:
    """Concerns versions from `since` up to, and not with, `before`.

    `ability` is None where nothing that is offered depends on it; `consequence` then
    still says what is done instead. No `before` means that no version is known which
    can. One that only `warns` refuses nothing.
    """

    program: Program
    ability: Ability | None
    reason: str
    consequence: str = ""
    since: Version = ()
    before: Version = ()
    warns: bool = False
    when: frozenset[Trait] = frozenset()

    def concerns(self, version: Version) -> bool:
        """Whether it lies in this version's way; an unknown one (0.0.0) has none."""
        if not any(version) or version < self.since:
            return False
        return not self.before or version < self.before

    @property
    def needs(self) -> str:
        if not self.before:
            return ""
        return f"{self.program.value} {'.'.join(map(str, self.before))}"

    def limit(self) -> Limit | None:
        if self.ability is None:
            return None
        reason = "; ".join(filter(None, (self.reason, self.consequence)))
        return Limit(self.ability, reason, self.needs, self.warns)


def limits(
    cliffs: Iterable[Cliff],
    versions: Mapping[Program, Version],
    traits: frozenset[Trait],
) -> tuple[Limit, ...]:
    """Those that concern these versions and such a machine, in the rows' order."""
    found = (
        cliff.limit()
        for cliff in cliffs
        if cliff.when <= traits
        and cliff.concerns(versions.get(cliff.program, (0, 0, 0)))
    )
    return tuple(limit for limit in found if limit is not None)


def depth_limits(libvirt: Version, images: int) -> tuple[Limit, ...]:
    """What the longest chain of a machine means for the next overlay.

    From 10.8 on a definition with more than about 25 overlays is too deep for the JSON
    library, so that a machine runs on and cannot be started again; mended in 12.0.
    """
    if images >= MOST_IMAGES:
        reason = f"a chain has {images} images, and libvirt takes {MOST_IMAGES}"
        return (Limit(Ability.SNAPSHOT, f"{reason}; merge some first"),)
    overlays = images - 1
    if not _DEEP_FROM <= libvirt < _DEEP_BEFORE or overlays < MANY_OVERLAYS:
        return ()
    over = overlays > RESTARTABLE_OVERLAYS
    reason = (
        f"a chain has {overlays} overlays: once it is off, this libvirt"
        f" {'will' if over else 'may'} not start the machine again with more than"
        f" {RESTARTABLE_OVERLAYS}; merge some {'now' if over else 'soon'}"
    )
    return (Limit(Ability.SNAPSHOT, reason, "libvirt 12.0", warns=True),)


def _libvirt(
    ability: Ability | None,
    before: Version,
    reason: str,
    consequence: str = "",
    *,
    since: Version = (),
    when: frozenset[Trait] = frozenset(),
    warns: bool = False,
) -> Cliff:
    return Cliff(
        Program.LIBVIRT, ability, reason, consequence, since, before, warns, when
    )


_MIXED_REASON = (
    "an external snapshot stands on an internal one: to revert to the one and delete"
    " the other would remove the image that holds both"
)

LIBVIRT: tuple[Cliff, ...] = (
    _libvirt(
        Ability.LIMIT_JOB,
        (12, 8),
        "libvirt passes a limit on to a running backup only once that is over",
        "the backup goes at full speed",
        since=(11, 3),
        warns=True,
    ),
    _libvirt(
        Ability.MERGE,
        (9, 0),
        "libvirt cannot delete an external snapshot",
        "its images are merged by a commit of each disk",
    ),
    _libvirt(
        Ability.SNAPSHOT_MEMORY,
        (9, 1),
        "deleting a snapshot leaves its memory file behind",
        since=(9, 0),
        warns=True,
    ),
    _libvirt(
        Ability.MERGE,
        (9, 1),
        "libvirt 9.0 may not end a block job that is done",
        "the job list tells",
        since=(9, 0),
        warns=True,
    ),
    _libvirt(
        Ability.SNAPSHOT_INTERNAL,
        (9, 3),
        "libvirt 9.2 takes no internal snapshot of a UEFI machine that is off",
        since=(9, 2),
        when=frozenset({Trait.UEFI, Trait.OFF}),
    ),
    _libvirt(
        Ability.REVERT_EXTERNAL,
        (9, 9),
        "libvirt cannot revert to an external snapshot",
        "the machine has to be off and its disks be switched back by hand",
    ),
    _libvirt(
        Ability.REVERT_INTERNAL,
        (9, 10),
        "reverting to an internal snapshot can crash QEMU",
        warns=True,
    ),
    _libvirt(
        Ability.INSPECT,
        (10, 8),
        "reading block statistics while a backup runs can crash libvirt's daemon",
        "only the job's own counters are read then",
        warns=True,
    ),
    _libvirt(
        Ability.SNAPSHOT_INTERNAL,
        (10, 9),
        "libvirt takes no internal snapshot of a running UEFI machine",
        when=frozenset({Trait.UEFI, Trait.RUNNING}),
    ),
    _libvirt(
        Ability.REVERT_INTERNAL,
        (10, 10),
        "libvirt does not bring a UEFI machine's variables back",
        when=frozenset({Trait.UEFI}),
    ),
    _libvirt(
        None,
        (10, 10),
        "a raw disk cannot have its bitmaps in a file beside it (`<dataStore>`)",
        "its changes are not recorded, and each backup of it is a full",
    ),
    _libvirt(Ability.MERGE, (11, 0), _MIXED_REASON, when=frozenset({Trait.MIXED})),
    _libvirt(Ability.DISCARD, (11, 0), _MIXED_REASON, when=frozenset({Trait.MIXED})),
    _libvirt(
        Ability.REVERT_INTERNAL, (11, 0), _MIXED_REASON, when=frozenset({Trait.MIXED})
    ),
    _libvirt(
        None,
        (11, 1),
        "libvirt does not keep what a machine's last I/O error was",
        "it is told as it comes, by an event",
    ),
    _libvirt(
        Ability.FREEZE,
        (11, 2),
        "libvirt does not tell an agent that never heard a command from one that"
        " answered too late",
        "after such a silence the guest is thawed",
        when=frozenset({Trait.AGENT}),
        warns=True,
    ),
    _libvirt(
        Ability.REVERT_INTERNAL,
        (11, 4),
        "libvirt 11.2 and 11.3 fail to revert to an internal snapshot, where their"
        " distribution has not mended it",
        since=(11, 2),
        warns=True,
    ),
    _libvirt(
        None,
        (11, 5),
        "libvirt cannot be told to wait for a guest's agent (`virsh await`)",
        "the agent is asked until a deadline",
    ),
    _libvirt(
        Ability.SNAPSHOT,
        (11, 9),
        "one that is taken outside of a running qcow2 (LVM, an array) may be torn",
        "libvirt does not flush the image's metadata for it",
        warns=True,
    ),
    _libvirt(
        Ability.BACKUP,
        (11, 10),
        "a guest that shuts down in the middle ends the backup",
        "it is then taken back",
        warns=True,
    ),
    _libvirt(
        Ability.SNAPSHOT_OFFLINE,
        (11, 10),
        "libvirt makes the new overlay readable by everybody (CVE-2025-13193)",
        "it has to be made beforehand with mode 0600",
        warns=True,
    ),
    _libvirt(
        None,
        (12, 1),
        "libvirt has no histograms of a guest's I/O times",
        "the mean of each interval is shown",
    ),
    _libvirt(
        Ability.MERGE,
        (12, 1),
        "AppArmor may deny QEMU to write to the backing image",
        "the merge then fails and nothing is lost",
        warns=True,
    ),
    _libvirt(
        None,
        (12, 3),
        "libvirt resizes a disk down as readily as up (no `blockresize --extend`)",
        "nothing here resizes a disk",
    ),
)


QEMU: tuple[Cliff, ...] = (
    Cliff(
        Program.QEMU,
        Ability.BACKUP,
        "this QEMU is older than any that was tried",
        before=(7, 2),
    ),
    Cliff(
        Program.QEMU,
        Ability.WRITE_BUFFER,
        "QEMU has no filter that gives up the backup instead of the guest's write",
        "a slow, full or dead target can stall the guest",
        before=(7, 1),
    ),
    Cliff(
        Program.QEMU,
        Ability.WRITE_BUFFER,
        "a backup job cannot be told to give up before the guest does",
        "a full or dead target can pause the guest",
        since=(7, 1),
        before=(11, 0),
    ),
    Cliff(
        Program.QEMU,
        Ability.BACKUP,
        "another program that reads block statistics meanwhile (virsh domstats --block,"
        " domblkinfo) can crash the machine",
        before=(10, 0),
        when=frozenset({Trait.SHARED}),
        warns=True,
    ),
    Cliff(
        Program.QEMU,
        Ability.INSPECT,
        "images below the active one are not read while a job runs",
        "this QEMU may crash of it",
        before=(10, 0),
        warns=True,
    ),
    Cliff(
        Program.QEMU,
        Ability.SNAPSHOT_MEMORY,
        "saving the memory while a disk is copied aborts QEMU",
        "no snapshot with memory is taken while a copy runs",
        before=(10, 0),
        warns=True,
    ),
)

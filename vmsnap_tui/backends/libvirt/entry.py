"""What is kept of one domain between readings, and what events have told since."""

from collections.abc import Callable, Container, Iterable
from dataclasses import replace

from vmsnap_tui.backends.libvirt import job_facts
from vmsnap_tui.backends.libvirt.asking import Asked, Sight, Tally
from vmsnap_tui.backends.libvirt.checkpoint_xml import asked_record
from vmsnap_tui.backends.libvirt.domain_xml import Definition
from vmsnap_tui.backends.libvirt.job_facts import JobFacts
from vmsnap_tui.backends.libvirt.portrait import NOT_YET, Known, Size
from vmsnap_tui.backends.libvirt.states import is_active
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Vm


class Tidings:
    """When something was last heard of each domain, in a time of its own.

    An answer is as old as its question: what is heard in between makes it stale. So a
    question that failed leaves what it was about due, too.
    """

    def __init__(self) -> None:
        self.now = 1
        self._heard: dict[str, int] = {}
        self._missed = 0

    def hear(self, uuid: str) -> None:
        self.now += 1
        self._heard[uuid] = self.now

    def miss(self) -> None:
        """Nobody knows what would have been heard."""
        self.now += 1
        self._missed = self.now
        self._heard.clear()

    def since(self, asked_at: int, uuid: str) -> bool:
        if asked_at >= self.now:
            return False
        return asked_at < max(self._missed, self._heard.get(uuid, 0))

    def keep(self, uuids: Container[str]) -> None:
        """Of domains that are gone nothing more is kept."""
        for uuid in [uuid for uuid in self._heard if uuid not in uuids]:
            del self._heard[uuid]


class Entry:
    """One domain as it was read last; `defined_at`, `jobs_at` and `records_at`
    are times of `Tidings`, 0 for never."""

    __slots__ = (
        "_ready",
        "_vm",
        "counted_at_s",
        "defined_at",
        "definition",
        "jobs",
        "jobs_at",
        "known",
        "records_at",
        "state",
    )

    def __init__(
        self, definition: Definition, state: tuple[int, int], defined_at: int
    ) -> None:
        self.definition = definition
        self.state = state
        self.defined_at = defined_at
        self.jobs_at = 0
        self.jobs: tuple[Job, ...] = ()
        self.known: Known | None = None
        self.records_at = 0
        self.counted_at_s = float("-inf")
        self._ready: frozenset[str] = frozenset()
        self._vm: Vm | None = None

    @property
    def uuid(self) -> str:
        return self.definition.uuid

    @property
    def active(self) -> bool:
        return is_active(self.state[0])

    def vm(self, draw: Callable[["Entry"], Vm]) -> Vm:
        """The same object as long as nothing has changed."""
        if self._vm is None:
            self._vm = draw(self)
        return self._vm

    def redraw(self) -> None:
        self._vm = None

    def see(self, state: tuple[int, int]) -> None:
        if state != self.state:
            self.state = state
            self.redraw()
        if self.jobs and not self.active:
            self._set_jobs(())

    def define(self, definition: Definition, asked_at: int) -> None:
        self.defined_at = asked_at
        if definition == self.definition:
            return
        if definition.domain_id != self.definition.domain_id:
            self.jobs, self._ready, self.jobs_at = (), frozenset(), 0
        self.definition = definition
        self.redraw()

    def note_ready(self, target: str, *, ready: bool) -> None:
        """As libvirt's event of a block job said."""
        self._ready = self._ready | {target} if ready else self._ready - {target}

    def doubt_records(self) -> None:
        """Some may have come or gone since they were asked for."""
        if self.known is not None and self.known.records_stand:
            self.known = replace(self.known, records_stand=False)
            self.redraw()

    def take_jobs(self, facts: JobFacts, asked_at: int) -> None:
        self.jobs_at = asked_at
        mirrors = {
            disk.target
            for disk in self.definition.disks
            if disk.mirror is not None and disk.mirror.ready
        }
        sizes = self.known.virtual_bytes(self.definition) if self.known else {}
        self._set_jobs(job_facts.jobs(facts, self._ready | mirrors, sizes))

    def look(self, sight: Sight) -> None:
        """All that a look has told, with what was known where it could not tell."""
        checkpoints = sight.checkpoints
        self.known = Known(
            run=sight.definition.domain_id,
            sizes=self._sizes(sight.definition, sight.sizes),
            io=sight.io,
            checkpoints=_checkpoints(checkpoints),
            snapshots=sight.snapshots,
            records=self._records(checkpoints or ()),
            without_bitmaps=sight.without_bitmaps,
        )
        self.redraw()

    def count(self, run: int | None, tally: Tally) -> None:
        """What was counted in this run; what was counted earlier of the others stands,
        and all of it where a job was in the way."""
        if tally.checkpoints is None and tally.sizes is None:
            return
        known = self.known or Known(run)
        records = self._records(tally.checkpoints or ())
        if known.run == run:
            records = {
                target: tuple(_newer(r, known.records.get(target, ())) for r in found)
                for target, found in records.items()
            }
        before, self.known = (
            self.known,
            replace(
                known,
                run=run,
                sizes=self._sizes(self.definition, tally.sizes),
                io=tally.io,
                checkpoints=_checkpoints(tally.checkpoints),
                records=records,
                records_stand=True,
            ),
        )
        if self.known != before:
            self.redraw()

    def _set_jobs(self, jobs: tuple[Job, ...]) -> None:
        if jobs != self.jobs:
            self.jobs = jobs
            self.redraw()

    def _sizes(
        self, definition: Definition, found: dict[tuple[str, str], Size] | None
    ) -> dict[tuple[str, str], Size]:
        """With the last known where one could not be asked for."""
        before = self.known.sizes if self.known else {}
        merged = {**before, **(found or {})}
        now = {
            (disk.target, layer.path)
            for disk in definition.disks
            for layer in disk.layers
        }
        return {key: size for key, size in merged.items() if key in now}

    def _records(self, checkpoints: tuple[Asked, ...]) -> dict[str, tuple[Record, ...]]:
        found: dict[str, tuple[Record, ...]] = {}
        for asked in checkpoints:
            name = asked.xml.checkpoint.name
            for disk in asked.xml.disks:
                record = replace(asked_record(name, disk), watched=asked.watched)
                if asked.not_asked:
                    last = self._last(disk.target, name)
                    record = Record(name, last, asked.not_asked, asked=False)
                found[disk.target] = (*found.get(disk.target, ()), record)
        return found

    def _last(self, target: str, name: str) -> int:
        """How many bytes it was when libvirt could be asked last."""
        records = self.known.records.get(target, ()) if self.known else ()
        return next((r.dirty_bytes for r in records if r.name == name), 0)


def _checkpoints(found: tuple[Asked, ...] | None) -> tuple[Checkpoint, ...] | None:
    return None if found is None else tuple(each.xml.checkpoint for each in found)


def _newer(record: Record, before: Iterable[Record]) -> Record:
    if record.asked or record.broken != NOT_YET:
        return record
    return next((r for r in before if r.name == record.name), record)

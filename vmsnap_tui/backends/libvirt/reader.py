"""libvirt's domains as `Vm`s: the whole list from one call, the rest from events.

A list asks no QEMU, so that one that hangs stops nobody. What only QEMU knows (its
jobs, the bytes changed) is fetched on the side: a list waits for it a moment, and
shows the last known until it has come.
"""

import asyncio
import logging
import uuid as uuids
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from vmsnap_tui.backends.libvirt import asking, interest
from vmsnap_tui.backends.libvirt.bitmaps import inspected, parse_blocks, parse_nodes
from vmsnap_tui.backends.libvirt.domain_xml import Definition
from vmsnap_tui.backends.libvirt.entry import Entry, Tidings
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.portrait import indexes, portrait, sketch
from vmsnap_tui.backends.libvirt.side_line import SideLine
from vmsnap_tui.backends.libvirt.states import is_active
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.errors import ConnectionLost, NoConnection, NotFound, StepFailed
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.limit import Limit
from vmsnap_tui.model.vm import Capabilities, Vm
from vmsnap_tui.text import visible

SIDE_WAIT_S = 0.2
"""What a list waits for what it fetches on the side; QEMU answers in milliseconds."""
ERRAND_LIMIT_S = 5.0
LOOK_LIMIT_S = 15.0
COUNT_EVERY_S = 30.0
COUNTED_AT_ONCE = 4
"""Counting reads the bitmaps of a whole chain, some milliseconds of a QEMU's time."""
OVERLAY_S = 0.5
"""From an image being made to its being on top of a chain, of which no event tells."""
MANY = 100
"""Reading more definitions than that would be waited for by the first screen."""
AT_ONCE = 2
"""While one thread takes answers apart, libvirtd works on those of the other. More
gain nothing, and others want their turn, too."""
_BATCH = 500
_GRAPH_SAFE = (10, 8, 0), (10, 0)
"""libvirt and QEMU from which the block graph may be read while a job runs."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Calls(Protocol):
    """What is used of a session."""

    @property
    def libvirt_version(self) -> tuple[int, int, int]: ...
    @property
    def read_only(self) -> str: ...

    async def watch(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str = "",
        timeout_s: float = ...,
    ) -> _T: ...
    async def act(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str = "",
        timeout_s: float = ...,
    ) -> _T: ...
    async def hypervisor_version(self) -> tuple[int, int, int]: ...


Limits = Callable[[Vm, Definition], tuple[Limit, ...]]


def no_limits(_vm: Vm, _definition: Definition) -> tuple[Limit, ...]:
    return ()


class Reader:
    """Reads over one session. `connection` is the URI as the operator wrote it;
    `changed` is told the UUID of a machine of which something came in afterwards.

    What the session raises is raised here: ConnectionLost, StepFailed, NotFound.
    """

    def __init__(
        self,
        calls: Calls,
        connection: str,
        limits: Limits = no_limits,
        changed: Callable[[str], None] = lambda uuid: None,
        side: SideLine | None = None,
    ) -> None:
        self._calls = calls
        uri = parse_uri(connection)
        # a driver inside this process hangs on no QEMU, and may be another one for
        # another connection
        self._side = side or (None if uri.in_process else SideLine(uri))
        self._connection = connection
        self._limits = limits
        self._changed = changed
        self._entries: dict[str, Entry] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._errands: dict[str, asyncio.Task[None]] = {}
        self._overlays: dict[str, asyncio.TimerHandle] = {}
        self._of_definitions = Tidings()
        self._of_jobs = Tidings()
        self._of_records = Tidings()
        self._capabilities = Capabilities((0, 0, 0))
        self._with_safe_graph = self._capabilities

    def lock(self, uuid: str) -> asyncio.Lock:
        """Held by whoever asks for the block graph, and by whoever starts a job."""
        lock = self._locks.get(uuid)
        if lock is None:
            self._locks[uuid] = lock = asyncio.Lock()
        return lock

    def definition(self, key: str) -> Definition | None:
        """As it was read last; `look` reads it anew."""
        entry = self._entries.get(key)
        return entry.definition if entry else None

    def heard(self, event: Heard) -> bool:
        """Take note of an event; whether the next list will show something new."""
        uuid, data = event.domain_uuid, event.data
        defined, jobs = interest.of_definition(event), interest.of_jobs(event)
        if defined:
            self._of_definitions.hear(uuid)
        if jobs:
            self._of_jobs.hear(uuid)
        if interest.of_records(event):
            self.doubt_records(uuid)
        entry = self._entries.get(uuid)
        if event.name == "block-job" and entry is not None:
            entry.note_ready(str(data.get("disk")), ready=data.get("status") == "ready")
        if interest.makes_image(event):
            self._expect_overlay(uuid)
        return defined or jobs or event.name == "io-error"

    def doubt_records(self, uuid: str) -> None:
        """Checkpoints may have come or gone, which libvirt tells nobody: the next list
        counts them anew, and calls none lost until then."""
        self._of_records.hear(uuid)
        entry = self._entries.get(uuid)
        if entry is not None:
            entry.doubt_records()

    def _expect_overlay(self, uuid: str) -> None:
        """The image is in a chain a moment later."""

        def look_again() -> None:
            del self._overlays[uuid]
            self._of_definitions.hear(uuid)
            self.doubt_records(uuid)
            self._changed(uuid)

        loop = asyncio.get_running_loop()
        pending = self._overlays.pop(uuid, None)
        if pending is not None:
            pending.cancel()
        self._overlays[uuid] = loop.call_later(OVERLAY_S, look_again)

    def forget(self) -> None:
        """Events were missed: the connection went, and came back."""
        for told in (self._of_definitions, self._of_jobs, self._of_records):
            told.miss()
        for entry in self._entries.values():
            entry.doubt_records()
        if self._side is not None:
            self._side.forget()

    async def close(self) -> None:
        """Let go of what is under way on the side."""
        for pending in self._overlays.values():
            pending.cancel()
        errands = tuple(self._errands.values())
        for errand in errands:
            errand.cancel()
        await asyncio.gather(*errands, return_exceptions=True)
        if self._side is not None:
            self._side.close()

    async def read(self) -> tuple[Vm, ...]:
        """Every domain; of a host where nothing changed in one call."""
        seen = await self._census()
        await self._aside(self._due_jobs(seen, known=False))
        await self._aside(self._due_counts(seen, told=True))
        return self._vms(seen)

    async def glance(self) -> tuple[Vm, ...]:
        """As `read`, with the progress of jobs, and what changed since our newest
        checkpoint on a few machines in turn. Of many that were never read it tells
        name and state alone: a read follows."""
        listed = await self._calls.watch(asking.census)
        if not self._entries and len(listed) > MANY:
            self._changed(listed[0].uuid)
            told = self._connection, self._capabilities
            return tuple(sketch(e.name, e.uuid, e.state, *told) for e in listed)
        seen = await self._take_census(listed)
        await self._aside(self._due_jobs(seen, known=True))
        await self._aside(self._due_counts(seen, told=True))
        await self._aside(self._due_counts(seen, told=False))
        return self._vms(seen)

    async def look(self, key: str) -> Vm:
        """One domain with all that leaves no mark. Raises NotFound."""
        await self._learn_versions(ERRAND_LIMIT_S)
        async with self.lock(key):
            entry = await self._sight(key)
        return entry.vm(self._draw)

    async def inspect(self, key: str) -> Vm:
        """As `look`, and what QEMU itself tells of its images, which marks the domain
        as tainted: not over a read-only connection, nor where a job is in the way."""
        await self._learn_versions(ERRAND_LIMIT_S)
        async with self.lock(key):
            entry = await self._sight(key)
            vm, known = entry.vm(self._draw), entry.definition
            if self._calls.read_only or not entry.active:
                return vm
            found = await self._ask(
                asking.graph,
                key,
                known,
                self._safe(known),
                domain=key,
                timeout_s=LOOK_LIMIT_S,
            )
        if found is None:
            return vm
        nodes, blocks = parse_nodes(found.nodes), parse_blocks(found.blocks)
        return inspected(vm, indexes(known), nodes, blocks)

    async def jobs(self, key: str) -> tuple[Job, ...]:
        """The domain's jobs: cheap, and safe at any time. Raises NotFound."""
        entry = self._entries.get(_checked(key))
        if entry is None:
            return (await self.look(key)).jobs
        return await self._fetch_jobs(entry, LOOK_LIMIT_S)

    async def _ask(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str,
        timeout_s: float,
    ) -> _T:
        """What may hang on the domain: not where others wait."""
        if self._side is None:
            return await self._calls.act(
                function, *values, domain=domain, timeout_s=timeout_s
            )
        return await self._side.ask(
            function,
            *values,
            domain=domain,
            timeout_s=timeout_s,
            read_only=bool(self._calls.read_only),
        )

    async def _census(self) -> list[asking.Seen]:
        return await self._take_census(await self._calls.watch(asking.census))

    async def _take_census(self, seen: list[asking.Seen]) -> list[asking.Seen]:
        due = [each for each in seen if self._is_due(each)]
        batches = iter([due[at : at + _BATCH] for at in range(0, len(due), _BATCH)])
        await asyncio.gather(*[self._define_all(batches) for _ in range(AT_ONCE)])
        uuids = {each.uuid for each in seen}
        for gone in self._entries.keys() - uuids:
            del self._entries[gone]
        for told in (self._of_definitions, self._of_jobs, self._of_records):
            told.keep(uuids)
        for each in seen:
            if each.uuid in self._entries:
                self._entries[each.uuid].see(each.state)
        await self._learn_versions(SIDE_WAIT_S)
        return seen

    def _is_due(self, seen: asking.Seen) -> bool:
        entry = self._entries.get(seen.uuid)
        if entry is None:
            return True
        known = entry.definition
        if known.name != seen.name or known.domain_id != seen.run:
            return True
        return self._of_definitions.since(entry.defined_at, seen.uuid)

    async def _define_all(self, batches: Iterator[list[asking.Seen]]) -> None:
        for batch in batches:
            await self._define(batch)

    async def _define(self, batch: list[asking.Seen]) -> None:
        asked_at = self._of_definitions.now
        found = await self._calls.watch(
            asking.definitions, [seen.handle for seen in batch]
        )
        for seen, definition in zip(batch, found, strict=True):
            if definition is not None:
                self._take(definition, seen.state, asked_at)

    def _take(
        self, definition: Definition, state: tuple[int, int], asked_at: int
    ) -> Entry:
        entry = self._entries.get(definition.uuid)
        if entry is None:
            entry = Entry(definition, state, asked_at)
            self._entries[definition.uuid] = entry
        entry.define(definition, asked_at)
        entry.see(state)
        return entry

    def _vms(self, seen: Iterable[asking.Seen]) -> tuple[Vm, ...]:
        entries = (self._entries.get(each.uuid) for each in seen)
        return tuple(entry.vm(self._draw) for entry in entries if entry is not None)

    def _draw(self, entry: Entry) -> Vm:
        vm = portrait(
            entry.definition,
            entry.state,
            entry.known,
            entry.jobs,
            self._connection,
            self._capabilities_of(entry.definition),
        )
        limits = self._limits(vm, entry.definition)
        return replace(vm, limits=limits) if limits else vm

    def _capabilities_of(self, definition: Definition) -> Capabilities:
        safe = self._safe(definition)
        return self._with_safe_graph if safe else self._capabilities

    def _safe(self, definition: Definition) -> bool:
        """The machine type bounds the version of the QEMU that runs it from below;
        that of the installed one tells nothing of one that was started before."""
        libvirt, qemu = _GRAPH_SAFE
        return (
            self._calls.libvirt_version >= libvirt
            and definition.machine_version >= qemu
        )

    async def _learn_versions(self, wait_s: float) -> None:
        """The daemon's is known; a fresh libvirtd takes seconds to tell QEMU's."""
        if self._capabilities.libvirt_version == self._calls.libvirt_version:
            return
        await self._aside({"": self._learn}, wait_s)

    async def _learn(self) -> None:
        version, qemu = self._calls.libvirt_version, (0, 0, 0)
        try:
            qemu = await self._calls.hypervisor_version()
        except StepFailed as error:
            _log.info("no version of QEMU: %s", visible(str(error)))
        self._capabilities = Capabilities(qemu, libvirt_version=version)
        self._with_safe_graph = replace(self._capabilities, graph_safe_during_jobs=True)
        for entry in self._entries.values():
            entry.redraw()

    async def _sight(self, key: str) -> Entry:
        """What a look tells, kept for the next list. Raises NotFound."""
        defined_at, jobs_at = self._of_definitions.now, self._of_jobs.now
        records_at = self._of_records.now
        sight = await self._ask(
            asking.look, _checked(key), self._safe, domain=key, timeout_s=LOOK_LIMIT_S
        )
        entry = self._take(sight.definition, sight.state, defined_at)
        entry.look(sight)
        self._note_asked(entry, records_at)
        entry.take_jobs(sight.jobs, jobs_at)
        entry.counted_at_s = monotonic()
        return entry

    async def _fetch_jobs(self, entry: Entry, limit_s: float) -> tuple[Job, ...]:
        uuid, asked_at = entry.uuid, self._of_jobs.now
        facts = await self._ask(
            asking.job_facts, uuid, entry.definition, domain=uuid, timeout_s=limit_s
        )
        entry.take_jobs(facts, asked_at)
        return entry.jobs

    async def _count(self, entry: Entry) -> None:
        uuid, known = entry.uuid, entry.definition
        asked_at = self._of_jobs.now
        async with self.lock(uuid):
            entry.counted_at_s = monotonic()
            entry.records_at = records_at = self._of_records.now
            tally = await self._ask(
                asking.count,
                uuid,
                known,
                self._safe(known),
                domain=uuid,
                timeout_s=ERRAND_LIMIT_S,
            )
        entry.take_jobs(tally.jobs, asked_at)
        entry.count(known.domain_id, tally)
        self._note_asked(entry, records_at)

    def _note_asked(self, entry: Entry, records_at: int) -> None:
        """What was heard between the question and its answer is in neither."""
        entry.records_at = records_at
        if self._of_records.since(records_at, entry.uuid):
            entry.doubt_records()

    def _due_jobs(self, seen: Iterable[asking.Seen], *, known: bool) -> "_Errands":
        """Of machines whose jobs an event told of; with `known`, of those too that are
        known to have some."""
        due: _Errands = {}
        for each in seen:
            entry = self._entries.get(each.uuid)
            if entry is None or not is_active(each.state[0]):
                continue
            told = self._of_jobs.since(entry.jobs_at, each.uuid)
            if told or not entry.jobs_at or (known and entry.jobs):
                due[each.uuid] = partial(self._fetch_jobs, entry, ERRAND_LIMIT_S)
        return due

    def _due_counts(self, seen: Iterable[asking.Seen], *, told: bool) -> "_Errands":
        """The few that were counted longest ago; with `told`, of those alone whose
        records are in doubt."""
        before_s = monotonic() - COUNT_EVERY_S
        entries = (
            self._entries.get(each.uuid) for each in seen if is_active(each.state[0])
        )
        due = sorted(
            (
                (entry.counted_at_s, entry.uuid, entry)
                for entry in entries
                if entry is not None
                and (self._in_doubt(entry) if told else entry.counted_at_s < before_s)
                and not (entry.jobs or entry.definition.not_understood)
                and not self.lock(entry.uuid).locked()
            ),
            key=lambda each: each[:2],
        )
        return {
            uuid: partial(self._count, entry)
            for _, uuid, entry in islice(due, COUNTED_AT_ONCE)
        }

    def _in_doubt(self, entry: Entry) -> bool:
        """Nobody waits for the records of one that nobody has asked for."""
        known = entry.known is not None
        return known and self._of_records.since(entry.records_at, entry.uuid)

    async def _aside(self, errands: "_Errands", wait_s: float = SIDE_WAIT_S) -> None:
        """Run them, at most one for each machine, and wait only a moment."""
        started = [
            self._start(uuid, errand)
            for uuid, errand in errands.items()
            if uuid not in self._errands
        ]
        if started:
            await asyncio.wait(started, timeout=wait_s)

    def _start(self, uuid: str, errand: "_Errand") -> "asyncio.Task[None]":
        waited = monotonic()
        task = asyncio.create_task(_quietly(errand, uuid))

        def ended(_task: object) -> None:
            del self._errands[uuid]
            if monotonic() - waited > SIDE_WAIT_S and not task.cancelled():
                self._changed(uuid)

        self._errands[uuid] = task
        task.add_done_callback(ended)
        return task


def _checked(key: str) -> str:
    """Raises NotFound for what no domain is called by."""
    try:
        return str(uuids.UUID(key))
    except ValueError:
        raise NotFound(
            "no such VM on this connection",
            evidence=key,
            remedy="list the VMs of the connection",
        ) from None


_Errand = Callable[[], Coroutine[Any, Any, object]]
_Errands = dict[str, _Errand]


async def _quietly(errand: _Errand, uuid: str) -> None:
    """What failed is asked again when it is due again."""
    try:
        await errand()
    except (ConnectionLost, NoConnection, NotFound, StepFailed) as error:
        _log.info("%s: %s", uuid, visible(str(error)))

"""The one machine behind a monitor: who it is, and how it is read without harm.

On QEMU before 10 the node graph is asked for only while no job exists, and never
while one is being started: `graph_lock` keeps our own readers and starters apart.
Asking at the wrong instant ends the machine in an assertion.
"""

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from vmsnap_tui.backends.qmp import parse
from vmsnap_tui.backends.qmp.agent_channel import agent, agent_chardev
from vmsnap_tui.backends.qmp.commands import Command
from vmsnap_tui.backends.qmp.limits import limits_of
from vmsnap_tui.backends.qmp.process import Process
from vmsnap_tui.backends.qmp.replies import (
    BlockGraph,
    BlockInfo,
    BlockJobInfo,
    BlockStats,
    ChardevInfo,
    Inserted,
    JobInfo,
    NameInfo,
    SchemaEntity,
    StatusInfo,
    UuidInfo,
    VersionInfo,
    members,
    understood,
)
from vmsnap_tui.backends.qmp.session import CommandRefused, Session
from vmsnap_tui.backends.qmp.uri import QmpUri
from vmsnap_tui.errors import NotFound, StepFailed
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Agent, Capabilities, Vm, VmState

T = TypeVar("T")

_ABLE_FROM = (7, 2, 0)
"""Older ones were never tried, and 6.0 has no `blockdev-reopen`."""

_SCHEMA_ASKED_FROM = (10, 1, 0)
"""What is looked for in the schema is in none of the versions before (measured: 10.0
has it not, 11.1 has it), and asking takes 25 ms of a first screen's 350."""
_GRAPH_SAFE_FROM = (10, 0, 0)


@dataclass(frozen=True, slots=True)
class Identity:
    """What does not change while a QEMU runs."""

    name: str
    uuid: str
    capabilities: Capabilities


def require_able(capabilities: Capabilities) -> None:
    """Raises StepFailed where this QEMU lacks what a backup stands on."""
    if capabilities.qemu_version < _ABLE_FROM:
        raise StepFailed(
            f"QEMU {capabilities.version_text} is too old for backups over QMP",
            evidence="query-version",
            remedy="use QEMU 7.2 or later",
        )


class Machine:
    """Reads; `session` must be open. Raises ConnectionLost or StepFailed."""

    def __init__(self, uri: QmpUri) -> None:
        self.uri = uri
        self.graph_lock = asyncio.Lock()
        self.identity: Identity | None = None
        self.processes: dict[str, Process] = {}
        """The process of each machine that has answered here, by its key."""
        self._agent_chardev: str | None = None
        self._targets: tuple[str, ...] = ()
        self._last_graph: tuple[object, parse.Graph | None] = (None, None)
        self.nodes: dict[str, frozenset[str]] = {}
        """Each disk's nodes as last read: still theirs while a job hides them."""

    def attach(self, session: Session) -> None:
        self.session = session

    @property
    def key(self) -> str:
        """`Vm.key` of whoever answered last; the name before anyone did."""
        if self.identity is None:
            return self.uri.name or self.uri.fallback_name
        return self._vm(VmState.UNKNOWN, "", (), (), None).key

    def require(self, vm: str) -> Identity:
        """Raises NotFound when another machine answers at the address now."""
        if self.identity is None or vm != self.key:
            raise NotFound(
                "no such VM on this connection",
                evidence=f"{vm}; {self.uri.where} is {self.key}",
                remedy="list the VMs of the connection",
            )
        return self.identity

    async def identify(self) -> None:
        """Who answers: asked once on every new connection."""
        self._agent_chardev = None
        self._last_graph = None, None
        self.nodes.clear()
        version = (await self.ask("query-version", VersionInfo)).qemu
        numbers = (version.major, version.minor, version.micro)
        schema: tuple[SchemaEntity, ...] = ()
        if numbers >= _SCHEMA_ASKED_FROM:
            schema = await self.ask("query-qmp-schema", tuple[SchemaEntity, ...])
        name = (await self.ask("query-name", NameInfo)).name
        self.identity = Identity(
            name=self.uri.name or name or self.uri.fallback_name,
            uuid=(await self.ask("query-uuid", UuidInfo)).UUID,
            capabilities=Capabilities(
                qemu_version=numbers,
                backup_on_cbw_error="on-cbw-error"
                in members(schema, "blockdev-backup"),
                graph_safe_during_jobs=numbers >= _GRAPH_SAFE_FROM,
            ),
        )

        if self.session.process is not None:
            self.processes[self.key] = self.session.process

    def forget_agent(self) -> None:
        """A port came or went: look for the agent's again at the next reading."""
        self._agent_chardev = None

    async def ask(self, command: str, kind: type[T], **arguments: object) -> T:
        answer = await self.session.execute(Command(command, arguments))
        return understood(kind, answer, command)

    async def read(self) -> Vm:
        async with self.graph_lock:
            status = await self.status()
            job_infos = await self.ask("query-jobs", tuple[JobInfo, ...])
            known = await self._graph(job_infos)
            blocks = await self.blocks()
        self._last_graph = _roots(blocks), known
        return await self._seen(status, job_infos, blocks, known)

    async def glance(self) -> Vm:
        """By `query-block` and its like alone, as long as the same nodes are on top."""
        status = await self.status()
        job_infos = await self.ask("query-jobs", tuple[JobInfo, ...])
        blocks = await self.blocks()
        roots, known = self._last_graph
        if roots != _roots(blocks):
            return await self.read()
        if known is not None:
            known = known.refreshed(b.inserted for b in blocks if b.inserted)
        return await self._seen(status, job_infos, blocks, known)

    async def _seen(
        self,
        status: str,
        job_infos: tuple[JobInfo, ...],
        blocks: tuple[BlockInfo, ...],
        known: parse.Graph | None,
    ) -> Vm:
        stats = await self.ask("query-blockstats", tuple[BlockStats, ...])
        disks = self._disks(blocks, stats, known)
        jobs = await self._joined(job_infos)
        return self._vm(
            parse.vm_state(status), status, disks, jobs, await self._agent()
        )

    async def status(self) -> str:
        return (await self.ask("query-status", StatusInfo)).status

    async def blocks(self) -> tuple[BlockInfo, ...]:
        return await self.ask("query-block", tuple[BlockInfo, ...])

    async def jobs(self) -> tuple[Job, ...]:
        return await self._joined(await self.ask("query-jobs", tuple[JobInfo, ...]))

    async def disks(self) -> tuple[Disk, ...]:
        """The disks with as much of their chains as may be asked for now."""
        async with self.graph_lock:
            known = await self._graph(await self.ask("query-jobs", tuple[JobInfo, ...]))
            return self._disks(await self.blocks(), (), known)

    async def active_disks(self) -> dict[str, Disk]:
        """The disks by target from `query-block` alone: safe at any time."""
        disks = self._disks(await self.blocks(), (), None)
        return {disk.target: disk for disk in disks}

    def _disks(
        self,
        blocks: tuple[BlockInfo, ...],
        stats: tuple[BlockStats, ...],
        known: parse.Graph | None,
    ) -> tuple[Disk, ...]:
        disks = parse.disks(blocks, stats, known)
        self._targets = tuple(disk.target for disk in disks)
        for disk in disks:
            nodes = frozenset(image.node for image in disk.chain if image.node)
            before = frozenset() if known else self.nodes.get(disk.target, frozenset())
            self.nodes[disk.target] = before | nodes
        return disks

    async def _joined(self, infos: tuple[JobInfo, ...]) -> tuple[Job, ...]:
        if not infos:
            return ()
        if not self._targets:
            await self.active_disks()
        block_jobs = await self.ask("query-block-jobs", tuple[BlockJobInfo, ...])
        return parse.jobs(infos, block_jobs, self._targets)

    async def _graph(self, jobs: tuple[JobInfo, ...]) -> parse.Graph | None:
        safe = self.identity and self.identity.capabilities.graph_safe_during_jobs
        if jobs and not safe:
            return None
        try:
            nodes = await self.ask(
                "query-named-block-nodes", tuple[Inserted, ...], flat=True
            )
            edges = await self.ask("x-debug-query-block-graph", BlockGraph)
        except CommandRefused:
            return None
        return parse.graph(nodes, edges)

    async def _agent(self) -> Agent | None:
        if self._agent_chardev is None:
            self._agent_chardev = await agent_chardev(self.session)
        if not self._agent_chardev and not self.uri.agent:
            return None
        chardevs = await self.ask("query-chardev", tuple[ChardevInfo, ...])
        process = self.session.process
        return agent(chardevs, self._agent_chardev, self.uri.agent, process)

    def _vm(
        self,
        state: VmState,
        status: str,
        disks: tuple[Disk, ...],
        jobs: tuple[Job, ...],
        channel: Agent | None,
    ) -> Vm:
        assert self.identity is not None
        return Vm(
            name=self.identity.name,
            uuid=self.identity.uuid,
            connection=self.uri.text,
            state=state,
            status=status,
            disks=disks,
            jobs=jobs,
            agent=channel,
            capabilities=self.identity.capabilities,
            limits=limits_of(self.identity.capabilities, disks),
        )


def _roots(blocks: tuple[BlockInfo, ...]) -> tuple[tuple[str, str, str], ...]:
    """What is on top of each device: another node there means another graph."""
    return tuple(
        (b.device, b.qdev, b.inserted.node_name if b.inserted else "") for b in blocks
    )

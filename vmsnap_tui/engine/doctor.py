"""What is stale, broken or in the way, each with its evidence and its remedy."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from vmsnap_tui.backends.agent import AgentError
from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.agents import link_to
from vmsnap_tui.engine.journal import Header, Unfinished, owner
from vmsnap_tui.engine.machine import Direction, Do, Finished, Record, Settle, next_move
from vmsnap_tui.errors import NoConnection
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.vm import Agent, Vm, VmState
from vmsnap_tui.repository.stored import DamagedEntry

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.model.ledger import Drift, Ledger, LedgerRow

AGENT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` names the object; text from machines in it is untrusted."""

    kind: str
    subject: str
    evidence: str
    remedy: str
    severity: Literal["alarm", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, and the ledgers of the machines looked at; those without any
    record are left out where all machines are."""

    findings: tuple[Finding, ...]
    ledgers: "tuple[Ledger, ...]"


def unfinished_of(header: Header, records: Sequence[Record], alive: bool) -> Unfinished:
    """An interrupted operation, and what recovering it will do."""
    plan = header.plan
    return Unfinished(
        operation=plan.operation,
        title=plan.title,
        vm=plan.vm,
        vm_name=plan.vm_name,
        point=plan.point,
        started_utc=header.started_utc,
        owner=owner(header),
        alive=alive,
        will=_will(header, records),
    )


def _will(header: Header, records: Sequence[Record]) -> str:
    move = next_move(header.plan, records, resumed=True)
    match move:
        case Do(_, direction, step):
            back = direction is Direction.BACK
            how = "is taken back further" if back else "goes on"
            return f"{how}: {step.describe()}"
        case Settle(_, _, step):
            return (
                f"sees whether this was done: {step.describe()};"
                " then goes on or is taken back"
            )
        case Finished.STUCK:
            return "tries again to take back what could not be taken back"
        case Finished.COMPLETED | Finished.UNDONE:
            return "is closed: nothing is left to do"
        case _:
            assert_never(move)


def alarms_of(vm: Vm, unfinished: Sequence[Unfinished]) -> tuple[str, ...]:
    """Sentences that belong on top of every screen."""
    alarms = []
    if vm.state is VmState.IO_ERROR:
        alarms.append("paused by an I/O error")
    if vm.state is VmState.CRASHED:
        alarms.append("crashed")
    alarms += [
        f"job {job.id} is paused by an error ({job.io_status})"
        for job in vm.jobs
        if job.status is JobStatus.PAUSED and job.io_status != "ok"
    ]
    alarms += [
        f"{left.title} was interrupted: R recovers it"
        for left in unfinished
        if left.vm == vm.key and not left.alive
    ]
    return tuple(alarms)


async def examine(engine: "Engine", chosen: Vm | None) -> Examination:
    """Everything found; `chosen` limits it to one machine, whose QEMU is then asked
    itself for its bitmaps."""
    from vmsnap_tui.engine.ledgers import read_ledger, read_ledgers

    found: list[Finding] = []
    vms = [chosen] if chosen else [vm for view in engine.fleet for vm in view.vms]
    if chosen is None:
        found += _connections(engine)
        found += _journals(engine)
    found += [
        f for left in engine.unfinished() if _of(left, chosen) for f in _left(left)
    ]
    for vm in vms:
        found += _machine(vm, engine)
        found += await _agent(vm)
    ledgers: tuple[Ledger, ...] = ()
    if chosen is not None:
        with suppress(NoConnection):  # then what was read last is held against points
            ledgers = (await read_ledger(engine, chosen.key),)
    ledgers = ledgers or await read_ledgers(engine, vms)
    found += [finding for ledger in ledgers for finding in drifts_found(ledger)]
    found += _repository(engine, chosen)
    return Examination(tuple(found), ledgers)


def _of(left: Unfinished, chosen: Vm | None) -> bool:
    return chosen is None or left.vm == chosen.key


def _connections(engine: "Engine") -> Iterator[Finding]:
    for view in engine.fleet:
        if view.link is not Link.UP:
            yield Finding(
                "connection-down",
                view.uri,
                view.reason,
                "start the machine, or leave the connection out",
                "warning",
            )


def _journals(engine: "Engine") -> Iterator[Finding]:
    for path, reason in engine.journals.damaged():
        yield Finding(
            "damaged-journal",
            str(path),
            reason,
            "read it, then move it away",
            "warning",
        )


def _left(left: Unfinished) -> Iterator[Finding]:
    if left.alive:
        yield Finding(
            "running-operation",
            f"{left.title} ({left.operation})",
            left.owner,
            "let it end, or watch it there",
            "note",
        )
        return
    yield Finding(
        "unfinished-operation",
        f"{left.title} ({left.operation})",
        f"begun by {left.owner}; recovery {left.will}",
        f"run `vmsnap-tui recover {left.operation} --yes`",
        "alarm",
    )


def _machine(vm: Vm, engine: "Engine") -> Iterator[Finding]:
    known = {left.operation for left in engine.unfinished()}
    known |= {handle.operation for handle in engine.runs}
    if vm.state is VmState.IO_ERROR:
        yield Finding(
            "paused-by-io-error",
            vm.name,
            "QEMU paused it as a disk could not be read or written",
            "make room or cancel the job that fills the disk, then resume the machine",
            "alarm",
        )
    for job in vm.jobs:
        if job.operation is not None and job.operation not in known:
            yield Finding(
                "orphaned-job",
                f"{vm.name}: {job.id}",
                f"{job.kind}, {job.status.value}; no journal of this host knows it",
                "if no other host runs it: `vmsnap-tui job cancel` it",
                "warning",
            )
        elif job.operation is None and job.status in (
            JobStatus.READY,
            JobStatus.CONCLUDED,
            JobStatus.PENDING,
        ):
            yield Finding(
                "foreign-job",
                f"{vm.name}: {job.id}",
                f"{job.kind} is {job.status.value} and waits for the one who made it",
                "finish it with the tool that made it",
                "note",
            )
    for disk in vm.disks:
        if disk.differs:
            yield Finding(
                "definition-differs",
                f"{vm.name} {disk.target}",
                disk.differs,
                "find out who changed the chain before anything else is done to it",
                "warning",
            )


def drifts_found(ledger: "Ledger") -> Iterator[Finding]:
    """Every drift as a finding; what others made, once for each maker."""
    name = ledger.vm_name
    others: dict[tuple[str, str], list[LedgerRow]] = {}
    for drift in ledger.drifts:
        yield _drift(name, name, drift)
    for row in ledger.rows:
        for drift in row.drifts:
            if drift.kind.of_others:
                others.setdefault((drift.kind.value, row.maker), []).append(row)
            else:
                disks = f" ({', '.join(drift.targets)})" if drift.targets else ""
                yield _drift(name, f"{name}: {row.name}{disks}", drift)
    for rows in others.values():
        names = ", ".join(row.name for row in rows)
        drift = next(d for d in rows[0].drifts if d.kind.of_others)
        yield _drift(name, f"{name}: {names}", drift)


def _drift(vm_name: str, subject: str, drift: "Drift") -> Finding:
    how = f" (`vmsnap-tui repair {vm_name}`, or l on the machine)" * drift.mendable
    remedy = f"{drift.remedy}{how}"
    return Finding(drift.kind.value, subject, drift.reason, remedy, drift.severity)


async def _agent(vm: Vm) -> list[Finding]:
    if vm.agent is None or not vm.agent.answers or vm.state is not VmState.RUNNING:
        return []
    try:
        status = await asyncio.to_thread(_status, vm.agent)
    except AgentError as error:
        return [
            Finding(
                "agent-silent",
                vm.name,
                str(error),
                "look at qemu-guest-agent in the guest",
                "warning",
            )
        ]
    if status != "frozen":
        return []
    return [
        Finding(
            "guest-frozen",
            vm.name,
            "its agent says that its file systems are frozen",
            f"run `vmsnap-tui thaw {vm.name}`, unless another tool is at work",
            "alarm",
        )
    ]


def _status(agent: Agent) -> str:
    link = link_to(agent.address)
    try:
        link.connect(AGENT_TIMEOUT_S)
        link.sync(AGENT_TIMEOUT_S)
        return link.status(AGENT_TIMEOUT_S)
    finally:
        link.close()


def _repository(engine: "Engine", chosen: Vm | None) -> Iterator[Finding]:
    for entry in engine.points(chosen.key if chosen else None):
        if isinstance(entry, DamagedEntry):
            yield Finding(
                "damaged-point",
                f"{entry.vm_name} {entry.id}",
                entry.reason,
                "restore another point, or put this one back from a copy",
                "alarm",
            )
    repository = engine.repository
    if repository is None or chosen is not None:
        return
    known = {left.point for left in engine.unfinished()}
    known |= {handle.plan.point for handle in engine.runs if not handle.done}
    for partial in repository.partials():
        if partial not in known:
            yield Finding(
                "partial-point",
                partial,
                f"no operation known here owns {repository.partial_path(partial)}",
                "if no other host writes it, remove that directory",
                "note",
            )

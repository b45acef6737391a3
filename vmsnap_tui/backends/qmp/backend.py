"""The machine behind a QMP socket, as a `Backend`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from vmsnap_tui.backends.base import (
    BackendEvent,
    InstantTaken,
    Link,
    LinkChanged,
    VmChanged,
    Wire,
    WireHeard,
)
from vmsnap_tui.backends.listeners import Listeners
from vmsnap_tui.backends.qmp import commands
from vmsnap_tui.backends.qmp.commands import Command, QmpWire
from vmsnap_tui.backends.qmp.effects import Effects
from vmsnap_tui.backends.qmp.machine import Machine, require_able
from vmsnap_tui.backends.qmp.process import Listener, probe
from vmsnap_tui.backends.qmp.session import Session
from vmsnap_tui.backends.qmp.uri import parse_uri
from vmsnap_tui.errors import ConnectionLost, NoConnection, StepFailed
from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Vm

_TELLS_OF_JOBS = ("JOB_", "BLOCK_", "STOP", "RESUME", "SHUTDOWN")
_TELLS_NOTHING_NEW = frozenset({"RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "VNC_CONNECTED"})


class QmpBackend:
    """One connection to one QEMU. Raises UsageError when the URI is malformed."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.wire: Wire = QmpWire()
        self._listeners = Listeners()
        self._machine = Machine(parse_uri(uri))
        self._session = Session(
            self._machine.uri, self._heard, self._link_changed, self._machine.identify
        )
        self._machine.attach(self._session)
        self._effects = Effects(self._machine)

    @property
    def link(self) -> Link:
        return self._session.link

    async def open(self) -> None:
        await self._session.open()

    async def close(self) -> None:
        await self._session.close()
        self._listeners.end()

    async def read(self) -> tuple[Vm, ...]:
        try:
            return (await self._machine.read(),)
        except (ConnectionLost, StepFailed) as error:
            raise _unread(error) from error

    async def glance(self) -> tuple[Vm, ...]:
        try:
            return (await self._machine.glance(),)
        except (ConnectionLost, StepFailed) as error:
            raise _unread(error) from error

    async def look(self, vm: str) -> Vm:
        seen = (await self.read())[0]
        self._machine.require(vm)
        return seen

    async def inspect(self, vm: str) -> Vm:
        return await self.look(vm)

    async def definition(self, vm: str) -> bytes:
        raise StepFailed(
            "QEMU alone keeps no definition of its machine",
            evidence=f"{vm} on {self.uri}",
            remedy="keep its command line yourself",
        )

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        raise StepFailed(
            "QEMU alone keeps no checkpoints",
            evidence=f"{name} on {', '.join(targets)}",
            remedy="nothing is needed: its bitmaps are all there is to a checkpoint",
        )

    def events(self) -> AsyncIterator[BackendEvent]:
        return self._listeners.listen()

    async def jobs(self, vm: str) -> tuple[Job, ...]:
        self._machine.require(vm)
        try:
            return await self._machine.jobs()
        except (ConnectionLost, StepFailed) as error:
            raise _unread(error) from error

    async def pause_job(self, vm: str, job: str) -> None:
        await self._send(vm, commands.pause_job(job))

    async def resume_job(self, vm: str, job: str) -> None:
        await self._send(vm, commands.resume_job(job))

    async def cancel_job(self, vm: str, job: str) -> None:
        await self._send(vm, commands.cancel_job(job))

    async def set_job_speed(self, vm: str, job: str, bytes_per_s: int) -> None:
        await self._send(vm, commands.set_job_speed(job, bytes_per_s))

    async def attach_targets(self, vm: str, instant: BackupInstant) -> None:
        require_able(self._machine.require(vm).capabilities)
        await self._effects.attach_targets(instant)
        self._changed()

    async def detach_targets(self, vm: str, instant: BackupInstant) -> None:
        self._machine.require(vm)
        await self._effects.detach_targets(instant)
        self._changed()

    async def drop_targets(self, vm: str, instant: BackupInstant) -> None:
        self._machine.require(vm)
        await self._effects.drop_targets(instant)
        self._changed()

    async def start_backup(self, vm: str, instant: BackupInstant) -> InstantTaken:
        identity = self._machine.require(vm)
        taken = await self._effects.start_backup(instant, identity.capabilities)
        self._changed()
        return taken

    async def backup_started(self, vm: str, instant: BackupInstant) -> bool:
        self._machine.require(vm)
        return await self._effects.backup_started(instant)

    async def await_jobs(
        self,
        vm: str,
        instant: BackupInstant,
        progress: Callable[[tuple[Job, ...]], None],
    ) -> None:
        self._machine.require(vm)
        await self._effects.await_jobs(instant, progress)

    async def finalize_jobs(self, vm: str, instant: BackupInstant) -> None:
        self._machine.require(vm)
        await self._effects.finalize_jobs(instant)

    async def abort_backup(
        self, vm: str, instant: BackupInstant, *, was_running: bool
    ) -> None:
        self._machine.require(vm)
        await self._effects.abort_backup(instant, was_running=was_running)
        self._changed()

    async def drop_bitmaps(
        self, vm: str, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        self._machine.require(vm)
        kept = await self._effects.drop_bitmaps(bitmaps)
        self._changed()
        return kept

    async def is_gone(self, vm: str) -> bool:
        """A refusing unix socket has no process behind it; a missing one proves
        nothing, unless the process that was once connected to has ended."""
        path, process = self._machine.uri.socket, self._machine.processes.get(vm)
        another = self._session.connected and vm != self._machine.key
        if another and process is not None:
            return process.ended
        if self._session.connected or not path:
            return False
        match await asyncio.to_thread(probe, path):
            case Listener.REFUSES:
                return True
            case Listener.ABSENT:
                return process is not None and process.ended
            case Listener.ANSWERS | Listener.UNKNOWN:
                return False

    async def _send(self, vm: str, command: Command) -> None:
        self._machine.require(vm)
        await self._session.execute(command)

    def _heard(self, event: Mapping[str, Any]) -> None:
        """Some events have no `data` (STOP, RESUME)."""
        name, data = str(event["event"]), event.get("data") or {}
        stamp = event.get("timestamp") or {}
        at_s = stamp.get("seconds", 0) + stamp.get("microseconds", 0) / 1e6
        self._listeners.tell(WireHeard(self._machine.key, name, data, at_s))
        if name in ("VSERPORT_CHANGE", "DEVICE_DELETED"):
            self._machine.forget_agent()
        if name.startswith(_TELLS_OF_JOBS):
            self._effects.stir()
        if name not in _TELLS_NOTHING_NEW:
            self._changed()

    def _link_changed(self, change: LinkChanged) -> None:
        self._listeners.tell(change)
        self._effects.stir()
        if change.link is Link.UP:
            self._changed()

    def _changed(self) -> None:
        self._listeners.tell(VmChanged(self._machine.key))


def _unread(error: ConnectionLost | StepFailed) -> NoConnection:
    return NoConnection(error.cause, evidence=error.evidence, remedy=error.remedy)

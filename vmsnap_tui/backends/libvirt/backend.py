"""The domains of one libvirt, as a `Backend`."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from vmsnap_tui.backends.base import (
    BackendEvent,
    InstantTaken,
    Link,
    LinkChanged,
    VmChanged,
    Wire,
    WireHeard,
)
from vmsnap_tui.backends.libvirt.commands import LibvirtWire
from vmsnap_tui.backends.libvirt.domain_xml import Definition
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.limits import limits_of
from vmsnap_tui.backends.libvirt.reader import Reader
from vmsnap_tui.backends.libvirt.session import Session
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.backends.listeners import Listeners
from vmsnap_tui.errors import ConnectionLost, NoConnection, StepFailed
from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.limit import Limit
from vmsnap_tui.model.vm import Vm

if TYPE_CHECKING:
    from vmsnap_tui.backends.libvirt.effects import Effects

T = TypeVar("T")


class LibvirtBackend:
    """One connection to one libvirt. Raises UsageError when the URI is malformed."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.wire: Wire = LibvirtWire(uri)
        self._parsed = parse_uri(uri)
        self._listeners = Listeners()
        self._session = Session(self._parsed, self._heard, self._link_changed)
        self._reader = Reader(self._session, uri, self._limits, self._changed)
        self._made_effects: Effects | None = None

    @property
    def _effects(self) -> "Effects":
        """Made when something is to be done: a list and a first screen do not wait for
        what only that needs."""
        if self._made_effects is None:
            from vmsnap_tui.backends.libvirt.effects import Effects

            self._made_effects = Effects(self._session, self._reader.lock)
        return self._made_effects

    @property
    def link(self) -> Link:
        return self._session.link

    async def open(self) -> None:
        await self._session.open()

    async def close(self) -> None:
        await self._reader.close()
        await self._session.close()
        if self._made_effects is not None:
            self._made_effects.close()
        self._listeners.end()

    async def read(self) -> tuple[Vm, ...]:
        return await _asked(self._reader.read())

    async def glance(self) -> tuple[Vm, ...]:
        return await _asked(self._reader.glance())

    async def look(self, vm: str) -> Vm:
        return await _asked(self._reader.look(vm))

    async def inspect(self, vm: str) -> Vm:
        return await _asked(self._reader.inspect(vm))

    async def jobs(self, vm: str) -> tuple[Job, ...]:
        return await _asked(self._reader.jobs(vm))

    async def definition(self, vm: str) -> bytes:
        from vmsnap_tui.backends.libvirt import calls

        xml = await _asked(self._session.act(calls.definition, vm, domain=vm))
        return xml.encode()

    def events(self) -> AsyncIterator[BackendEvent]:
        return self._listeners.listen()

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        with self._changing_records(vm):
            await self._effects.adopt_checkpoint(vm, name, targets)

    async def pause_job(self, vm: str, job: str) -> None:
        raise _no_pause(job)

    async def resume_job(self, vm: str, job: str) -> None:
        raise _no_pause(job)

    async def cancel_job(self, vm: str, job: str) -> None:
        from vmsnap_tui.backends.libvirt import calls

        await self._session.act(calls.cancel_job, vm, job, domain=vm)

    async def set_job_speed(self, vm: str, job: str, bytes_per_s: int) -> None:
        from vmsnap_tui.backends.libvirt import calls

        await self._session.act(calls.set_job_speed, vm, job, bytes_per_s, domain=vm)

    async def attach_targets(self, vm: str, instant: BackupInstant) -> None:
        await self._effects.attach_targets(vm, instant)
        self._changed(vm)

    async def detach_targets(self, vm: str, instant: BackupInstant) -> None:
        await self._effects.detach_targets(vm, instant)
        self._changed(vm)

    async def drop_targets(self, vm: str, instant: BackupInstant) -> None:
        await self._effects.drop_targets(vm, instant)
        self._changed(vm)

    async def start_backup(self, vm: str, instant: BackupInstant) -> InstantTaken:
        with self._changing_records(vm):
            return await self._effects.start_backup(vm, instant)

    async def backup_started(self, vm: str, instant: BackupInstant) -> bool:
        return await self._effects.backup_started(vm, instant)

    async def await_jobs(
        self,
        vm: str,
        instant: BackupInstant,
        progress: Callable[[tuple[Job, ...]], None],
    ) -> None:
        await self._effects.await_jobs(vm, instant, progress)

    async def finalize_jobs(self, vm: str, instant: BackupInstant) -> None:
        await self._effects.finalize_jobs(vm, instant)

    async def abort_backup(
        self, vm: str, instant: BackupInstant, *, was_running: bool
    ) -> None:
        with self._changing_records(vm):
            await self._effects.abort_backup(vm, instant, was_running=was_running)

    async def drop_bitmaps(
        self, vm: str, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        with self._changing_records(vm):
            return await self._effects.drop_bitmaps(vm, bitmaps)

    async def is_gone(self, vm: str) -> bool:
        return await self._effects.is_gone(vm)

    def _limits(self, vm: Vm, definition: Definition) -> tuple[Limit, ...]:
        return limits_of(
            self._session.libvirt_version,
            vm.capabilities.qemu_version,
            read_only=self._session.read_only,
            local=self._local,
            agent=vm.agent,
            state=vm.state,
            disks=vm.disks,
            checkpoints=vm.checkpoints,
            snapshots=vm.snapshots,
            uefi=definition.uefi,
            io_threads=definition.io_threads,
        )

    @property
    def _local(self) -> bool:
        """A unix socket may be forwarded: then the daemon's host has another name."""
        if not self._parsed.local:
            return False
        theirs = self._session.host_name.partition(".")[0]
        return self._parsed.in_process or theirs in (_host_name(), "localhost", "")

    def _heard(self, heard: Heard) -> None:
        self._listeners.tell(
            WireHeard(heard.domain_uuid, heard.name, heard.data, heard.at_s)
        )
        if self._made_effects is not None:
            self._made_effects.heard(heard)
        if self._reader.heard(heard):
            self._changed(heard.domain_uuid)

    def _link_changed(self, change: LinkChanged) -> None:
        if change.link is not Link.UP:
            if self._made_effects is not None:
                self._made_effects.link_changed()
        else:
            self._reader.forget()
        self._listeners.tell(change)

    @contextmanager
    def _changing_records(self, uuid: str) -> Iterator[None]:
        """Even what failed may have taken effect."""
        try:
            yield
        finally:
            self._reader.doubt_records(uuid)
            self._changed(uuid)

    def _changed(self, uuid: str) -> None:
        self._listeners.tell(VmChanged(uuid))


async def _asked(asking: Awaitable[T]) -> T:
    """Reads tell that nobody answers by NoConnection."""
    try:
        return await asking
    except (ConnectionLost, StepFailed) as error:
        raise NoConnection(
            error.cause, evidence=error.evidence, remedy=error.remedy
        ) from error


def _no_pause(job: str) -> StepFailed:
    return StepFailed(
        "libvirt has no call to pause a job",
        evidence=job,
        remedy="limit its speed, or cancel it",
    )


@cache
def _host_name() -> str:
    """Asked once: a list of a thousand domains wants it for each of them."""
    return socket.gethostname().partition(".")[0]

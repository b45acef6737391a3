"""A machine in memory: the third backend, held to the same contract tests.

Disks are blocks of 64 KiB; what a backup stores is kept by file name in `stored`. Hooks
before and after each effect let a test kill, refuse or cut off a run at any of them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from uuid import NAMESPACE_DNS, uuid5

from vmsnap_tui.backends.base import (
    BackendEvent,
    InstantTaken,
    Link,
    LinkChanged,
    VmChanged,
    Wire,
)
from vmsnap_tui.backends.listeners import Listeners
from vmsnap_tui.errors import NoConnection, NotFound, StepFailed
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.instant import GRANULARITY_BYTES, BackupInstant, DiskInstant
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Capabilities, Vm, VmState


@dataclass(slots=True)
class _Recorder:
    persistent: bool
    recording: bool
    saved: bool = False
    """It was in the image when this run of the machine began."""
    inconsistent: bool = False
    dirty: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _MemoryDisk:
    size_bytes: int
    blocks: dict[int, bytes] = field(default_factory=dict)
    bitmaps: dict[str, _Recorder] = field(default_factory=dict)


@dataclass(slots=True)
class _Copying:
    job: Job
    node: str
    copied: dict[int, bytes]


class MemoryWire:
    """What would be sent: nothing goes anywhere, so one word for each disk."""

    def definition(self, vm: Vm) -> tuple[str, ...]:
        return ()

    def attach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(f"attach {disk.file}" for disk in instant.disks)

    def start_backup(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(f"start {job}" for job in instant.job_ids)

    def finalize_jobs(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(f"finalize {job}" for job in instant.job_ids)

    def detach_targets(self, vm: Vm, instant: BackupInstant) -> tuple[str, ...]:
        return tuple(f"detach {disk.file}" for disk in instant.disks)

    def drop_bitmaps(
        self, vm: Vm, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        return tuple(f"drop {bitmap} of {node}" for node, bitmap in bitmaps)

    def freeze(self, vm: Vm) -> tuple[str, ...]:
        return (f"freeze {vm.name}",)

    def thaw(self, vm: Vm) -> tuple[str, ...]:
        return (f"thaw {vm.name}",)

    def adopt_checkpoint(
        self, vm: Vm, name: str, targets: tuple[str, ...]
    ) -> tuple[str, ...]:
        return tuple(f"adopt {name} on {target}" for target in targets)


class MemoryBackend:
    """One machine. `completes` is whether jobs finish by themselves; else
    `complete_jobs` or `fail_job` does it. `definition` names the file under which a
    point keeps its definition, if it is to have one."""

    def __init__(
        self,
        name: str = "web-01",
        targets: tuple[str, ...] = ("vda", "vdb"),
        *,
        size_bytes: int = 64 << 20,
        completes: bool = True,
        definition: str = "",
    ) -> None:
        self.uri = f"memory:{name}"
        self.wire: Wire = MemoryWire()
        self.name = name
        self.uuid = str(uuid5(NAMESPACE_DNS, f"{name}.vmsnap-memory"))
        self.state = VmState.RUNNING
        self.completes = completes
        self.definition_file = definition
        self.stored: dict[str, dict[int, bytes]] = {}
        self.before_effect: Callable[[str], None] = lambda effect: None
        self.after_effect: Callable[[str], None] = lambda effect: None
        self._disks = {target: _MemoryDisk(size_bytes) for target in targets}
        self._nodes: dict[str, str] = {}
        self._jobs: dict[str, _Copying] = {}
        self._link = Link.DOWN
        self._listeners = Listeners()
        self._stirred = asyncio.Event()

    # The guest, the host and the operator, for tests.

    def write(self, target: str, block: int, data: bytes) -> None:
        """A write of the guest's to one block of 64 KiB."""
        disk = self._disks[target]
        disk.blocks[block] = data
        for recorder in disk.bitmaps.values():
            if recorder.recording:
                recorder.dirty.add(block)

    def content(self, target: str) -> dict[int, bytes]:
        return dict(self._disks[target].blocks)

    def complete_jobs(self) -> None:
        """Every running job has copied all and waits."""
        for copying in self._jobs.values():
            if copying.job.status is JobStatus.RUNNING:
                self.stored[self._nodes[copying.node]] |= copying.copied
                total = copying.job.total_bytes
                self._set(copying, status=JobStatus.PENDING, done_bytes=total)
        self._stir()

    def fail_job(self, job: str, error: str = "No space left on device") -> None:
        self._set(self._jobs[job], status=JobStatus.CONCLUDED, error=error)
        self._stir()

    def restart(self, *, crashed: bool) -> None:
        """A new run. After a crash, bitmaps that were in the file are inconsistent
        and the others never were; a clean end saves the persistent ones."""
        self._jobs, self._nodes, self.state = {}, {}, VmState.RUNNING
        for disk in self._disks.values():
            kept = {n: r for n, r in disk.bitmaps.items() if r.persistent}
            if crashed:
                kept = {n: r for n, r in kept.items() if r.saved}
            for recorder in kept.values():
                recorder.saved = True
                if crashed:
                    recorder.inconsistent, recorder.recording = True, False
            disk.bitmaps = kept
        self._stir()

    def lose_connection(self) -> None:
        self._link = Link.DOWN
        self._listeners.tell(LinkChanged(Link.DOWN, "lost"))

    # The backend.

    @property
    def link(self) -> Link:
        return self._link

    async def open(self) -> None:
        self._link = Link.UP
        self._listeners.tell(LinkChanged(Link.UP, ""))

    async def close(self) -> None:
        self._link = Link.DOWN
        self._listeners.end()

    async def read(self) -> tuple[Vm, ...]:
        if self._link is not Link.UP:
            raise NoConnection("not connected", evidence=self.uri, remedy="open it")
        return (
            Vm(
                name=self.name,
                uuid=self.uuid,
                connection=self.uri,
                state=self.state,
                status=self.state.value,
                disks=tuple(self._disk(t, d) for t, d in self._disks.items()),
                jobs=tuple(copying.job for copying in self._jobs.values()),
                capabilities=Capabilities((10, 0, 0), graph_safe_during_jobs=True),
                definition=self.definition_file,
            ),
        )

    async def glance(self) -> tuple[Vm, ...]:
        return await self.read()

    async def look(self, vm: str) -> Vm:
        self._require(vm)
        return (await self.read())[0]

    async def inspect(self, vm: str) -> Vm:
        return await self.look(vm)

    async def definition(self, vm: str) -> bytes:
        self._require(vm)
        return f"<machine>{self.name}</machine>".encode()

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        self._require(vm)
        raise _refused("adopt_checkpoint", "this machine keeps no checkpoints")

    def events(self) -> AsyncIterator[BackendEvent]:
        return self._listeners.listen()

    async def jobs(self, vm: str) -> tuple[Job, ...]:
        self._require(vm)
        return tuple(copying.job for copying in self._jobs.values())

    async def pause_job(self, vm: str, job: str) -> None:
        self._set(self._found(vm, job), status=JobStatus.PAUSED)

    async def resume_job(self, vm: str, job: str) -> None:
        self._set(self._found(vm, job), status=JobStatus.RUNNING)

    async def cancel_job(self, vm: str, job: str) -> None:
        self._found(vm, job)
        self.fail_job(job, "Operation canceled")

    async def set_job_speed(self, vm: str, job: str, bytes_per_s: int) -> None:
        self._set(self._found(vm, job), speed_bytes_per_s=bytes_per_s)

    async def attach_targets(self, vm: str, instant: BackupInstant) -> None:
        self._begin(vm, "attach_targets")
        for disk in instant.disks:
            if disk.target_node in self._nodes:
                raise _refused("attach_targets", f"duplicate node {disk.target_node}")
        for disk in instant.disks:
            self._nodes[disk.target_node] = disk.file
            self.stored.setdefault(disk.file, {})
        self._end("attach_targets")

    async def detach_targets(self, vm: str, instant: BackupInstant) -> None:
        self._begin(vm, "detach_targets")
        gone = [self._nodes.pop(d.target_node, None) is None for d in instant.disks]
        if any(gone) and not self._same_run(instant):
            raise _refused("detach_targets", "the nodes vanished with their machine")
        self._end("detach_targets")

    async def drop_targets(self, vm: str, instant: BackupInstant) -> None:
        self._begin(vm, "drop_targets")
        for disk in instant.disks:
            self._nodes.pop(disk.target_node, None)
        self._end("drop_targets")

    async def start_backup(self, vm: str, instant: BackupInstant) -> InstantTaken:
        self._begin(vm, "start_backup")
        before_s = time.monotonic()
        for disk in instant.disks:
            self._check(disk)
        for disk in instant.disks:
            self._start(instant, disk)
        self._end("start_backup")
        running = self.state is VmState.RUNNING
        return InstantTaken(
            before_s, time.monotonic(), "2026-01-01T00:00:00.000Z", running
        )

    async def backup_started(self, vm: str, instant: BackupInstant) -> bool:
        self._require(vm)
        return self._same_run(instant)

    async def await_jobs(
        self,
        vm: str,
        instant: BackupInstant,
        progress: Callable[[tuple[Job, ...]], None],
    ) -> None:
        self._begin(vm, "await_jobs")
        while True:
            self._stirred.clear()
            if self.completes:
                self.complete_jobs()
            progress(await self.jobs(vm))
            found = [self._jobs.get(job) for job in instant.job_ids]
            for copying in found:
                if copying is None or copying.job.error:
                    text = copying.job.error if copying else "the job is gone"
                    raise _refused("await_jobs", text)
            if self.state is VmState.IO_ERROR:
                raise _refused("await_jobs", "the guest was paused by an I/O error")
            if all(c and c.job.status is JobStatus.PENDING for c in found):
                break
            await self._stirred.wait()
        self._end("await_jobs")

    async def finalize_jobs(self, vm: str, instant: BackupInstant) -> None:
        self._begin(vm, "finalize_jobs")
        found = [self._jobs.get(job) for job in instant.job_ids]
        if None in found and not self._same_run(instant):
            raise _refused("finalize_jobs", "the jobs are gone")
        for copying in found:
            if copying and copying.job.error:
                raise _refused("finalize_jobs", copying.job.error)
        for job in instant.job_ids:
            self._jobs.pop(job, None)
        self._end("finalize_jobs")

    async def abort_backup(
        self, vm: str, instant: BackupInstant, *, was_running: bool
    ) -> None:
        self._begin(vm, "abort_backup")
        for part in instant.disks:
            self._jobs.pop(instant.job_id(part), None)
            for name in (part.bitmap, part.scratch_bitmap):
                self._disks[part.target].bitmaps.pop(name, None)
        if was_running and self.state is VmState.IO_ERROR:
            self.state = VmState.RUNNING
        self._end("abort_backup")

    async def drop_bitmaps(
        self, vm: str, bitmaps: tuple[tuple[str, str], ...]
    ) -> tuple[str, ...]:
        self._begin(vm, "drop_bitmaps")
        for node, bitmap in bitmaps:
            if node in self._disks:
                self._disks[node].bitmaps.pop(bitmap, None)
        self._end("drop_bitmaps")
        return ()

    async def is_gone(self, vm: str) -> bool:
        return False

    def _disk(self, target: str, disk: _MemoryDisk) -> Disk:
        bitmaps = (_bitmap(name, recorder) for name, recorder in disk.bitmaps.items())
        image = Image(
            path=f"/memory/{self.name}/{target}.qcow2",
            format="qcow2",
            node=target,
            virtual_bytes=disk.size_bytes,
            allocated_bytes=len(disk.blocks) * GRANULARITY_BYTES,
            read_only=False,
            bitmaps=tuple(bitmaps),
            can_persist_bitmaps=True,
        )
        return Disk(target=target, device=target, chain=(image,))

    def _check(self, disk: DiskInstant) -> None:
        bitmaps = self._disks[disk.target].bitmaps
        if disk.target_node not in self._nodes:
            raise _refused("start_backup", f"no node {disk.target_node}")
        if disk.bitmap in bitmaps or disk.scratch_bitmap in bitmaps:
            raise _refused("start_backup", f"Bitmap already exists: {disk.bitmap}")
        for source in disk.merge:
            found = self._disks[source.node].bitmaps.get(source.bitmap)
            if found is None or found.inconsistent:
                raise _refused("start_backup", f"bitmap {source.bitmap} is no use")

    def _start(self, instant: BackupInstant, part: DiskInstant) -> None:
        disk = self._disks[part.target]
        dirty: set[int] = set(disk.blocks)
        if part.merge:
            sources = [self._disks[m.node].bitmaps[m.bitmap].dirty for m in part.merge]
            dirty = set().union(*sources)
        disk.bitmaps[part.bitmap] = _Recorder(part.persistent, recording=True)
        scratch = _Recorder(persistent=False, recording=False, dirty=dirty)
        disk.bitmaps[part.scratch_bitmap] = scratch
        job = Job(
            id=instant.job_id(part),
            kind="backup",
            status=JobStatus.RUNNING,
            done_bytes=0,
            total_bytes=len(dirty) * GRANULARITY_BYTES,
            speed_bytes_per_s=instant.speed_bytes_per_s,
            target=part.target,
        )
        copied = {block: disk.blocks[block] for block in dirty if block in disk.blocks}
        self._jobs[job.id] = _Copying(job, part.target_node, copied)

    def _same_run(self, instant: BackupInstant) -> bool:
        disks = self._disks
        return all(d.scratch_bitmap in disks[d.target].bitmaps for d in instant.disks)

    def _set(self, copying: _Copying, **changes: object) -> None:
        copying.job = replace(copying.job, **changes)  # type: ignore[arg-type]
        self._stir()

    def _found(self, vm: str, job: str) -> _Copying:
        self._require(vm)
        if job not in self._jobs:
            raise _refused(job, "Job not found")
        return self._jobs[job]

    def _require(self, vm: str) -> None:
        if vm != self.uuid:
            raise NotFound("no such VM", evidence=vm, remedy="list the VMs")

    def _begin(self, vm: str, effect: str) -> None:
        self._require(vm)
        self.before_effect(effect)

    def _end(self, effect: str) -> None:
        self._stir()
        self.after_effect(effect)

    def _stir(self) -> None:
        self._stirred.set()
        self._listeners.tell(VmChanged(self.uuid))


def _bitmap(name: str, recorder: _Recorder) -> Bitmap:
    return Bitmap(
        name=name,
        granularity_bytes=GRANULARITY_BYTES,
        dirty_bytes=len(recorder.dirty) * GRANULARITY_BYTES,
        recording=recorder.recording,
        busy=False,
        inconsistent=recorder.inconsistent,
        persistent=recorder.persistent,
    )


def _refused(effect: str, text: str) -> StepFailed:
    return StepFailed(
        f"{effect} was refused", evidence=text, remedy="see the machine in memory"
    )

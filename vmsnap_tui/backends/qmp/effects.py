"""What a backup does inside QEMU, step by step, and how each step is taken back.

The scratch bitmaps are never persistent: as long as they stand, this is the same run
of QEMU as at the instant, and what is missing was finished rather than lost.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from vmsnap_tui.backends.base import InstantTaken
from vmsnap_tui.backends.qmp import commands
from vmsnap_tui.backends.qmp.job_errors import (
    gone,
    job_failure,
    not_written_out,
    stopped_by_io_error,
)
from vmsnap_tui.backends.qmp.machine import Machine
from vmsnap_tui.backends.qmp.session import CommandRefused
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import Capabilities, VmState
from vmsnap_tui.text import visible

POLL_S = 0.5
"""Progress has no events; anything else is heard at once."""
END_LIMIT_S = 30.0
"""How long a job may take to conclude once it was told to."""
CLOSE_LIMIT_S = 600.0
"""Closing an image waits for its storage, which may be slow and have much to write."""

SETTLE_S = 0.2
"""A guest that was set going sends its failed write again at once."""

_log = logging.getLogger(__name__)

_OVER = frozenset({JobStatus.CONCLUDED, JobStatus.NULL})
_FAILING = frozenset({JobStatus.ABORTING, JobStatus.CONCLUDED, JobStatus.NULL})


class Effects:
    """All raise StepFailed when QEMU refuses and ConnectionLost when nobody knows."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Something was heard: look again now."""
        self._stirred.set()

    async def attach_targets(self, instant: BackupInstant) -> None:
        """All or none; what cannot be opened is told with the file's name."""
        added: list[DiskInstant] = []
        for disk in instant.disks:
            try:
                async with self._machine.graph_lock:
                    command = commands.attach_target(disk)
                    await self._machine.session.execute(command)
            except CommandRefused as error:
                for earlier in reversed(added):
                    await self._delete_node(earlier)
                raise StepFailed(
                    f"QEMU cannot open the stored image of {disk.target}",
                    evidence=f"{disk.file}: {error.evidence}",
                    remedy="see that QEMU's user may read and write the repository",
                ) from error
            added.append(disk)

    async def detach_targets(self, instant: BackupInstant) -> None:
        """All are written out, and said to be, before the first is closed.

        QEMU's main loop stands while QEMU flushes, and the guest may with it: so what
        the kernel holds of the file is written out from here first.
        """
        for disk in instant.disks:
            await asyncio.to_thread(_write_out, disk.file)
            await self._flush(disk)
        absent = [d for d in instant.disks if not await self._delete_node(d)]
        if absent and not await self._same_run(instant):
            raise StepFailed(
                "QEMU ended before the stored images were written out",
                evidence=f"node {absent[0].target_node} is gone, and so are the "
                "scratch bitmaps",
                remedy="back up again: nothing that was tracked is lost",
            )

    async def _flush(self, disk: DiskInstant) -> None:
        try:
            command = commands.flush_target(disk)
            await self._machine.session.execute(command, CLOSE_LIMIT_S)
        except CommandRefused as error:
            if not gone(error):
                raise not_written_out(disk, error) from error

    async def drop_targets(self, instant: BackupInstant) -> None:
        for disk in instant.disks:
            await self._delete_node(disk)

    async def _delete_node(self, disk: DiskInstant) -> bool:
        """Whether there was one."""
        try:
            async with self._machine.graph_lock:
                command = commands.detach_target(disk)
                await self._machine.session.execute(command, CLOSE_LIMIT_S)
        except CommandRefused as error:
            if not gone(error):
                raise
            return False
        return True

    async def start_backup(
        self, instant: BackupInstant, capabilities: Capabilities
    ) -> InstantTaken:
        """No reading of the graph meanwhile: it can end QEMU (before version 10)."""
        machine = self._machine
        async with machine.graph_lock:
            roots = _roots(instant, await machine.active_disks())
            was_running = await machine.status() == VmState.RUNNING
            command = commands.start_backup(instant, roots, capabilities)
            at_utc = datetime.now(UTC)
            before_s = time.monotonic()
            await machine.session.execute(command)
            after_s = time.monotonic()
        stamp = at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return InstantTaken(before_s, after_s, stamp, was_running)

    async def backup_started(self, instant: BackupInstant) -> bool:
        """Jobs live and die with QEMU, and so do scratch bitmaps: one proves it, as
        the transaction makes all or none."""
        if _ours(instant, await self._machine.jobs()):
            return True
        return await self._same_run(instant)

    async def _same_run(self, instant: BackupInstant) -> bool:
        disks = {disk.target: disk for disk in await self._machine.disks()}
        return all(_holds(disks.get(d.target), d.scratch_bitmap) for d in instant.disks)

    async def await_jobs(
        self, instant: BackupInstant, progress: Callable[[tuple[Job, ...]], None]
    ) -> None:
        while True:
            self._stirred.clear()
            jobs = await self._machine.jobs()
            progress(jobs)
            ours = _ours(instant, jobs)
            for disk in instant.disks:
                _require_sound(instant, disk, ours.get(instant.job_id(disk)))
            if await self._machine.status() == VmState.IO_ERROR:
                raise stopped_by_io_error()
            if all(job.status is JobStatus.PENDING for job in ours.values()):
                return
            await self._stirred_or(POLL_S)

    async def finalize_jobs(self, instant: BackupInstant) -> None:
        """Dismissed only when all concluded well, so a job that is missing while the
        scratch bitmaps stand was seen to conclude well by an earlier call."""
        jobs = _ours(instant, await self._machine.jobs())
        if len(jobs) < len(instant.disks) and not await self._same_run(instant):
            raise StepFailed(
                "the backup jobs are gone",
                evidence="QEMU was restarted, or another program dismissed them",
                remedy="back up again: nothing that was tracked is lost",
            )
        for job in jobs.values():
            if job.status is JobStatus.PENDING:
                await self._machine.session.execute(commands.finalize_job(job.id))
        ended = await self._concluded(instant)
        for disk in instant.disks:
            job_ended = ended.get(instant.job_id(disk))
            if job_ended is not None and job_ended.error:
                raise job_failure(disk, job_ended)
        await self._dismiss(ended)

    async def abort_backup(self, instant: BackupInstant, *, was_running: bool) -> None:
        """Jobs first: as long as one copies before each write, a guest that was
        stopped for its sake stops again. A guest is set going even if one stays."""
        try:
            for job in _ours(instant, await self._machine.jobs()).values():
                if job.status not in _FAILING:
                    await self._tolerant(commands.cancel_job(job.id))
            ended = await self._concluded(instant)
            await self._dismiss(ended)
            await self._remove_new_bitmaps(instant)
        finally:
            if was_running:
                await self._resume_after_io_error()

    async def _remove_new_bitmaps(self, instant: BackupInstant) -> None:
        """Wherever in the chain they are: an overlay may have been put on top, and
        another's job may hide what is below it."""
        await self._machine.disks()
        for part in instant.disks:
            nodes = self._machine.nodes.get(part.target, frozenset())
            for node in nodes | {source.node for source in part.merge}:
                for name in (part.bitmap, part.scratch_bitmap):
                    if stays := await self._drop_bitmap(node, name):
                        _log.warning("%s", visible(stays))

    async def drop_bitmaps(self, bitmaps: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        kept = [await self._drop_bitmap(node, bitmap) for node, bitmap in bitmaps]
        return tuple(sentence for sentence in kept if sentence)

    async def _drop_bitmap(self, node: str, bitmap: str) -> str:
        """Nothing, or a sentence on why it stays."""
        try:
            command = commands.remove_bitmap(node, bitmap)
            await self._machine.session.execute(command)
        except CommandRefused as error:
            if gone(error):
                return ""
            return f"bitmap {bitmap} stays in {node}: {error.description}"
        return ""

    async def _resume_after_io_error(self) -> None:
        if await self._machine.status() != VmState.IO_ERROR:
            return
        self._stirred.clear()
        await self._machine.session.execute(commands.resume_vm())
        await self._stirred_or(SETTLE_S)
        status = await self._machine.status()
        if status != VmState.RUNNING:
            raise StepFailed(
                "the guest stays paused after an I/O error",
                evidence=f"status {status} after cont",
                remedy="make room on the disk's storage, then resume the guest",
            )

    async def _concluded(self, instant: BackupInstant) -> dict[str, Job]:
        """The jobs once all that exist are over. Raises StepFailed after a while."""
        jobs: dict[str, Job] = {}
        try:
            async with asyncio.timeout(END_LIMIT_S):
                while True:
                    self._stirred.clear()
                    jobs = _ours(instant, await self._machine.jobs())
                    if all(job.status in _OVER for job in jobs.values()):
                        return jobs
                    await self._stirred_or(POLL_S)
        except TimeoutError:
            raise StepFailed(
                "a backup job does not end",
                evidence=", ".join(f"{j.id} {j.status}" for j in jobs.values()),
                remedy="see whether the repository's storage answers, then `recover`",
            ) from None

    async def _dismiss(self, jobs: dict[str, Job]) -> None:
        for job in jobs.values():
            if job.status is JobStatus.CONCLUDED:
                await self._tolerant(commands.dismiss_job(job.id))

    async def _tolerant(self, command: commands.Command) -> None:
        """A job may end, or be dismissed by another client, between look and word;
        whoever calls looks again."""
        with contextlib.suppress(CommandRefused):
            await self._machine.session.execute(command)

    async def _stirred_or(self, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._stirred.wait()


def _write_out(file: str) -> None:
    """For speed alone: QEMU's own flush is what counts, so trouble is for that."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        _log.info("%s", visible(f"{file}: {error}"))


def _ours(instant: BackupInstant, jobs: Iterable[Job]) -> dict[str, Job]:
    ids = frozenset(instant.job_ids)
    return {job.id: job for job in jobs if job.id in ids}


def _holds(disk: Disk | None, bitmap: str) -> bool:
    return disk is not None and any(i.bitmap(bitmap) for i in disk.chain)


def _roots(instant: BackupInstant, disks: dict[str, Disk]) -> dict[str, str]:
    roots: dict[str, str] = {}
    for part in instant.disks:
        disk = disks.get(part.target)
        if disk is None or not disk.chain or disk.unfit:
            raise StepFailed(
                f"disk {part.target} cannot be backed up any more",
                evidence=disk.unfit if disk else "the machine has no such disk",
                remedy="plan the backup again",
            )
        root = disk.active.node
        planned = part.merge[0].node if part.merge else part.root
        if planned and planned != root:
            raise StepFailed(
                f"the chain of {part.target} has changed since the plan was made",
                evidence=f"{root} takes the writes now, not {planned}",
                remedy="plan the backup again",
            )
        roots[part.target] = root
    return roots


def _require_sound(instant: BackupInstant, disk: DiskInstant, job: Job | None) -> None:
    if job is None:
        raise StepFailed(
            f"the backup job of {disk.target} is gone",
            evidence=instant.job_id(disk),
            remedy="back up again: nothing that was tracked is lost",
        )
    if job.status in _FAILING or job.error:
        raise job_failure(disk, job)
    if job.io_status != "ok":
        raise job_failure(disk, job)

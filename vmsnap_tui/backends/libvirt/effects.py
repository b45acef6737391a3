"""What a backup does to a domain, step by step, and how each step is taken back.

One call takes the instant of all disks: libvirt makes the checkpoint and starts the
jobs in one transaction. From then on libvirt owns them: it finalizes and closes by
itself, and forgets. So each operation leaves a mark in the metadata of the running
machine, which dies with this run of it, and listens from that mark on.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import libvirt

from vmsnap_tui.backends.base import InstantTaken
from vmsnap_tui.backends.libvirt import access, calls, commands
from vmsnap_tui.backends.libvirt.calls import Seen
from vmsnap_tui.backends.libvirt.ended import Ended, Hearing, Traces, Verdict, judge
from vmsnap_tui.backends.libvirt.failures import LibvirtNotFound, LibvirtRefused
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.job_errors import (
    not_begun,
    require_same_run,
    require_well,
    stopped_by_io_error,
    strayed,
)
from vmsnap_tui.errors import ConnectionLost, StepFailed
from vmsnap_tui.model.instant import BackupInstant, DiskInstant
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import VmState
from vmsnap_tui.text import visible

POLL_S = 0.5
"""Progress has no events; anything else is heard at once."""
LIMIT_WAIT_S = 0.05
"""What a frozen guest is kept waiting for a limit at most."""
SOON_S = 0.004
"""libvirt tells of an end some milliseconds before it shows, and then nothing more;
each wait after it is twice as long."""
END_LIMIT_S = 30.0
"""How long a job may take to end once it was told to."""
CLOSE_LIMIT_S = 600.0
"""Closing an image waits for its storage, which may be slow and have much to write."""
CATCH_UP_S = 5.0
"""libvirtd tells its events within milliseconds."""
STRAY_S = 5.0
"""How long a backup may be active without any block job: while it begins, no more."""
SETTLE_S = 0.2
"""A guest that was set going sends its failed write again at once."""
_BUSY = libvirt.VIR_ERR_OPERATION_TIMEOUT

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Acting(Protocol):
    """The part of a session that is needed here."""

    async def act(
        self,
        function: Callable[..., _T],
        *values: object,
        domain: str = "",
        timeout_s: float = ...,
        doing: str = "",
    ) -> _T: ...


Lock = Callable[[str], AbstractAsyncContextManager[object]]
Progress = Callable[[tuple[Job, ...]], None]


class Effects:
    """All raise StepFailed when libvirt refuses and ConnectionLost when nobody knows.

    `lock` keeps the readers of a machine's block graph away while it changes.
    """

    def __init__(self, session: Acting, lock: Lock) -> None:
        self._session = session
        self._lock = lock
        self._hearings: dict[str, Hearing] = {}
        self._stirred: dict[str, asyncio.Event] = {}
        self._witnesses: dict[Path, int] = {}
        self._limiting: set[asyncio.Task[None]] = set()
        self._runs: dict[str, int] = {}
        """The number of the run in which a machine was last worked on."""

    def heard(self, heard: Heard) -> None:
        for hearing in self._hearings.values():
            if hearing.uuid == heard.domain_uuid:
                hearing.hear(heard.name, heard.data)
        self._stir(heard.domain_uuid)

    def close(self) -> None:
        for limiting in self._limiting:
            limiting.cancel()
        for witness in self._witnesses.values():
            os.close(witness)
        self._witnesses = {}

    def link_changed(self) -> None:
        """What came meanwhile was told to nobody."""
        for hearing in self._hearings.values():
            hearing.lose()
        for uuid in tuple(self._stirred):
            self._stir(uuid)

    async def attach_targets(self, vm: str, instant: BackupInstant) -> None:
        """Nothing is opened yet: QEMU's user is let at the files, and the mark written.
        All or none."""
        _require_text(instant)
        found = await self._act(calls.prepare, vm, instant)
        self._runs[vm] = found.domain_id or 0
        user = access.qemu_user(found.dac_label)
        files = _files(instant)
        if user is not None:
            await asyncio.to_thread(access.grant, files, user)
        try:
            self._witness(instant)
            self._hearing(vm, instant).begin()
            await self._write_mark(vm, instant)
        except StepFailed:
            await asyncio.to_thread(access.take_back, files)
            raise

    async def start_backup(self, vm: str, instant: BackupInstant) -> InstantTaken:
        async with self._lock(vm):
            self._hearing(vm, instant).wrote()
            try:
                taken = await self._act(calls.begin, vm, instant)
            except LibvirtRefused as error:
                raise not_begun(error) from error
        self._hearing(vm, instant).sure = True
        if instant.speed_bytes_per_s:
            limiting = asyncio.create_task(self._limit(vm, instant))
            self._limiting.add(limiting)
            limiting.add_done_callback(self._limiting.discard)
            await asyncio.wait({limiting}, timeout=LIMIT_WAIT_S)
        return taken

    async def _limit(self, vm: str, instant: BackupInstant) -> None:
        """Beside the run: a guest may be frozen until it goes on, and libvirt may keep
        the call waiting; most answer in a few milliseconds. A backup that cannot be
        limited is a backup all the same."""
        try:
            await self._act(calls.limit, vm, instant)
        except (ConnectionLost, StepFailed, LibvirtNotFound) as error:
            _log.warning("not limited: %s", visible(str(error)))

    async def backup_started(self, vm: str, instant: BackupInstant) -> bool:
        """The checkpoint and the jobs are made together; a machine that was started
        anew has neither of this mark."""
        seen = await self._look(vm, instant)
        return seen.marked and (seen.ours or seen.checkpoint)

    async def await_jobs(
        self, vm: str, instant: BackupInstant, progress: Progress
    ) -> None:
        last: dict[str, Job] = {}
        wait_s, copied_s = SOON_S, time.monotonic()
        while (seen := await self._look(vm, instant)).busy:
            require_same_run(seen, instant)
            copied_s = time.monotonic() if seen.copying else copied_s
            if time.monotonic() - copied_s > STRAY_S:
                raise strayed(seen)
            if seen.state is VmState.IO_ERROR:
                raise stopped_by_io_error(seen)
            last |= {job.target: job for job in _jobs(instant, seen)}
            progress(_with_ended(instant, seen, last))
            hearing = self._hearing(vm, instant)
            if not hearing.whole:
                await self._listen_anew(vm, instant)
            elif seen.ours:
                hearing.sure = True
            wait_s = await self._stirred_or(vm, wait_s)
        require_same_run(seen, instant)
        verdict = await self._verdict(vm, instant)
        require_well(verdict, instant)
        require_same_run(await self._look(vm, instant), instant)
        progress(tuple(_ended(instant, part, last) for part in instant.disks))

    async def finalize_jobs(self, vm: str, instant: BackupInstant) -> None:
        """libvirt has done so: that it was in this run is all there is to see."""
        await self._closed(vm, instant, END_LIMIT_S)

    async def detach_targets(self, vm: str, instant: BackupInstant) -> None:
        """libvirt tells that a backup ended before it closes the last file: a block
        job that is unknown to it has its file closed, as both happen under one lock."""
        await self._closed(vm, instant, CLOSE_LIMIT_S)
        for file in _files(instant):
            try:
                await asyncio.to_thread(_take_over, file, self._witnesses.get(file))
            except OSError as error:
                raise StepFailed(
                    "a stored image cannot be taken back from QEMU, written out",
                    evidence=f"{file}: {error.strerror or error}",
                    remedy="see the repository's file system, then back up again",
                ) from error
        await asyncio.to_thread(access.take_back, _files(instant))
        self._dismiss(instant)

    async def drop_targets(self, vm: str, instant: BackupInstant) -> None:
        """The files first: they are here, wherever the machine is."""
        self._dismiss(instant)
        await asyncio.to_thread(access.take_back, _files(instant))
        await self._remove_mark(vm, instant)

    async def abort_backup(
        self, vm: str, instant: BackupInstant, *, was_running: bool
    ) -> None:
        """Jobs first: as long as one copies before each write, a guest that was
        stopped for its sake stops again. A guest is set going even if one stays."""
        try:
            await self._act(calls.cancel, vm, instant)
            await self._over(vm, instant, END_LIMIT_S)
            await self._drop_new_checkpoint(vm, instant)
        finally:
            if was_running:
                await self._resume_after_io_error(vm)
        await self._remove_mark(vm, instant)
        self._hearings.pop(_mark_of(instant), None)

    async def drop_bitmaps(
        self, vm: str, bitmaps: Iterable[tuple[str, str]]
    ) -> tuple[str, ...]:
        """A checkpoint goes with the last of its disks; a name that ends as a scratch
        bitmap's is a mark of ours."""
        disks: dict[str, set[str]] = {}
        for node, name in bitmaps:
            disks.setdefault(name, set()).add(node.partition("[")[0])
        kept: list[str] = []
        for name, targets in disks.items():
            if name.endswith(commands.SCRATCH_SUFFIX):
                await self._act(calls.remove_mark, vm, name)
                self._hearings.pop(commands.mark_uri(name), None)
                continue
            kept.append(await self._drop_checkpoint(vm, name, targets))
        return tuple(sentence for sentence in kept if sentence)

    async def adopt_checkpoint(
        self, vm: str, name: str, targets: tuple[str, ...]
    ) -> None:
        async with self._lock(vm):
            await self._act(calls.adopt, vm, name, targets)

    async def is_gone(self, vm: str) -> bool:
        """Off, undefined, or another run than the one that was worked on."""
        try:
            run = await self._act(calls.run_of, vm)
        except LibvirtNotFound:
            return True
        except (ConnectionLost, StepFailed) as error:
            _log.info("not known whether it is gone: %s", visible(str(error)))
            return False
        known = self._runs.get(vm)
        return run is None or (known is not None and run != known)

    async def _verdict(self, vm: str, instant: BackupInstant) -> Verdict:
        """The last mark tells where to stop listening."""
        hearing = self._hearing(vm, instant)
        if hearing.whole:
            await self._write_mark(vm, instant)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CATCH_UP_S):
                    while hearing.behind:
                        await self._stirred_or(vm, CATCH_UP_S)
        verdict = hearing.verdict()
        if verdict.ended is not Ended.UNKNOWN:
            return verdict
        return await self._judged(vm, instant)

    async def _judged(self, vm: str, instant: BackupInstant) -> Verdict:
        parts = commands.tracked(instant)
        newest = False
        if parts:
            name = parts[0].bitmap
            newest = await self._act(calls.is_newest_checkpoint, vm, name)
        traces = Traces(
            stats=await self._act(calls.completed, vm),
            began_s=await self._act(calls.began_s, vm, instant),
            written_s=max(file.stat().st_mtime for file in _files(instant)),
            now_s=time.time(),
            newest=newest,
        )
        return judge(traces)

    async def _listen_anew(self, vm: str, instant: BackupInstant) -> None:
        """Only what ends after this mark is heard; the next look tells whether the
        backup was active after it."""
        began_s = await self._act(calls.began_s, vm, instant)
        self._hearing(vm, instant).begin()
        await self._write_mark(vm, instant, began_s)

    async def _closed(self, vm: str, instant: BackupInstant, limit_s: float) -> None:
        seen = await self._over(vm, instant, limit_s)
        require_same_run(seen, instant)

    async def _over(self, vm: str, instant: BackupInstant, limit_s: float) -> Seen:
        """Once no job of ours is left, and no file of ours open."""
        try:
            async with asyncio.timeout(limit_s):
                wait_s = SOON_S
                while (seen := await self._look(vm, instant)).busy:
                    wait_s = await self._stirred_or(vm, wait_s)
                return seen
        except TimeoutError:
            raise StepFailed(
                "a backup job does not end",
                evidence=f"not within {limit_s:g} s",
                remedy="see whether the repository's storage answers, then `recover`",
            ) from None

    async def _drop_new_checkpoint(self, vm: str, instant: BackupInstant) -> None:
        """No checkpoint of a backup that did not succeed may stay: an increment from it
        would miss what only the failed one would have held."""
        parts = commands.tracked(instant)
        if not parts:
            return
        targets = tuple(part.target for part in parts)
        async with self._lock(vm):
            await self._act(calls.take_back_checkpoint, vm, parts[0].bitmap, targets)

    async def _drop_checkpoint(self, vm: str, name: str, targets: set[str]) -> str:
        try:
            async with self._lock(vm):
                return await self._act(calls.drop_checkpoint, vm, name, targets)
        except LibvirtRefused as error:
            return f"checkpoint {name} stays: {error.message}"

    async def _resume_after_io_error(self, vm: str) -> None:
        state, _ = await self._act(calls.state_of, vm)
        if state is not VmState.IO_ERROR:
            return
        await self._act(calls.resume, vm)
        await self._stirred_or(vm, SETTLE_S)
        state, status = await self._act(calls.state_of, vm)
        if state is not VmState.RUNNING:
            raise StepFailed(
                "the guest stays paused after an I/O error",
                evidence=f"{status} after it was resumed",
                remedy="make room on the disk's storage, then resume the guest",
            )

    async def _remove_mark(self, vm: str, instant: BackupInstant) -> None:
        await self._act(calls.remove_mark, vm, instant.disks[0].scratch_bitmap)

    async def _write_mark(
        self, vm: str, instant: BackupInstant, began_s: float | None = None
    ) -> None:
        self._hearing(vm, instant).wrote()
        await self._act(calls.write_mark, vm, instant, began_s)

    async def _look(self, vm: str, instant: BackupInstant) -> Seen:
        """While libvirt waits for a QEMU that closes a file it tells nothing else."""
        while True:
            try:
                seen = await self._act(calls.look, vm, instant)
            except LibvirtRefused as error:
                if error.code != _BUSY:
                    raise
                continue
            if seen.marked and seen.run is not None:
                self._runs[vm] = seen.run
            return seen

    async def _act(self, function: Callable[..., _T], vm: str, *values: object) -> _T:
        doing = function.__name__.replace("_", " ")
        return await self._session.act(function, vm, *values, domain=vm, doing=doing)

    def _witness(self, instant: BackupInstant) -> None:
        """Keep the files open: the kernel tells a lost write once to each who had the
        file open then."""
        for file in _files(instant):
            if file not in self._witnesses:
                self._witnesses[file] = _open(file)

    def _dismiss(self, instant: BackupInstant) -> None:
        for file in _files(instant):
            if (witness := self._witnesses.pop(file, None)) is not None:
                os.close(witness)

    def _hearing(self, vm: str, instant: BackupInstant) -> Hearing:
        uri = _mark_of(instant)
        return self._hearings.setdefault(uri, Hearing(uri, vm))

    def _stir(self, uuid: str) -> None:
        if uuid in self._stirred:
            self._stirred[uuid].set()

    async def _stirred_or(self, vm: str, limit_s: float) -> float:
        """Until something is heard, or the limit passes; how long to wait next."""
        stirred = self._stirred.setdefault(vm, asyncio.Event())
        heard = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                heard = await stirred.wait()
        stirred.clear()
        return SOON_S if heard else min(limit_s * 2, POLL_S)


def _mark_of(instant: BackupInstant) -> str:
    return commands.mark_uri(instant.disks[0].scratch_bitmap)


def _files(instant: BackupInstant) -> tuple[Path, ...]:
    return tuple(Path(part.file) for part in instant.disks)


def _require_text(instant: BackupInstant) -> None:
    """libvirt's XML is UTF-8; a file's name need not be."""
    for part in instant.disks:
        try:
            part.file.encode()
        except UnicodeEncodeError as error:
            raise StepFailed(
                "libvirt cannot be told the name of a stored image",
                evidence=f"{part.file!r}: {error}",
                remedy="use a repository whose path is UTF-8 (--repo)",
            ) from error


def _take_over(file: Path, witness: int | None) -> None:
    """The witness first: where QEMU was told already that a write was lost, and kept
    it to itself, nobody who opens the file now hears of it again."""
    if witness is not None:
        os.fsync(witness)
    opened = _open(file)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _open(file: Path) -> int:
    return os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _jobs(instant: BackupInstant, seen: Seen) -> tuple[Job, ...]:
    return tuple(
        Job(
            id=instant.job_id(part),
            kind="backup",
            status=JobStatus.RUNNING,
            done_bytes=info.get("cur", 0),
            total_bytes=info.get("end", 0),
            speed_bytes_per_s=info.get("bandwidth", 0),
            target=part.target,
        )
        for part in instant.disks
        if (info := seen.copying.get(part.target)) is not None
    )


def _with_ended(
    instant: BackupInstant, seen: Seen, last: dict[str, Job]
) -> tuple[Job, ...]:
    """A disk whose job is over before the others' waits for them, to the operator."""
    return tuple(
        last[part.target]
        if part.target in seen.copying
        else _ended(instant, part, last, JobStatus.PENDING)
        for part in instant.disks
    )


def _ended(
    instant: BackupInstant,
    part: DiskInstant,
    last: dict[str, Job],
    status: JobStatus = JobStatus.CONCLUDED,
) -> Job:
    known = last.get(part.target)
    total = known.total_bytes if known else 0
    return Job(instant.job_id(part), "backup", status, total, total, target=part.target)

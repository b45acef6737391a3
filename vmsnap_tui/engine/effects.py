"""What each step does to the world: the one place where values become effects.

Every arm either did what the step says, or raises: `StepFailed` where it was refused,
`ConnectionLost` where nobody can know. Outputs are small JSON values that later steps
and a resumed run read from the journal.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, assert_never

import msgspec

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.engine.freezing import FreezeGuard, read_report, thaw_directly
from vmsnap_tui.engine.manifest_of import manifest_of
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.images import qemu_img
from vmsnap_tui.images.checker import StoredImageChecker
from vmsnap_tui.images.digest import fsync_file, sha256_file
from vmsnap_tui.model.job import Job
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.steps import (
    AbortBackup,
    AdoptCheckpoint,
    AttachTargets,
    AwaitJobs,
    CheckStored,
    CommitPoint,
    CreateTarget,
    DetachTargets,
    DropBitmaps,
    DropPartial,
    DropTargets,
    FinalizeJobs,
    FreezeGuest,
    KeepDefinition,
    PrepareDirectory,
    PreparePoint,
    PublishFiles,
    RemoveFile,
    RestoreDefinition,
    RestoreDisk,
    SealTarget,
    StartBackup,
    Step,
    ThawGuest,
    World,
    WriteManifest,
)
from vmsnap_tui.repository.atomic import fsync_path
from vmsnap_tui.repository.repository import Repository
from vmsnap_tui.repository.stored import read_definition
from vmsnap_tui.units import MiB, format_bytes

Output = dict[str, Any] | None
Progress = Callable[[str, int, int], None]
"""Target, bytes done, bytes in all."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arms:
    """What a run may reach; a restore has no backend."""

    repository: Repository
    backend: Backend | None
    guard_report: Path


class Effects:
    """The effects of one run. `cancel`, once set, breaks what waits or reads long."""

    def __init__(
        self,
        plan: Plan,
        arms: Arms,
        outputs: Callable[[type[Step]], list[dict[str, Any]]],
        progress: Progress,
        cancel: asyncio.Event,
    ) -> None:
        self.plan = plan
        self.arms = arms
        self.outputs = outputs
        self.progress = progress
        self.cancel = cancel
        self._guard: FreezeGuard | None = None

    async def perform(self, step: Step) -> Output:  # noqa: C901, PLR0915 - one arm a step
        match step:
            case PreparePoint():
                self._repository.create_partial(step.point)
            case CreateTarget():
                await self._create_target(step)
            case KeepDefinition():
                return await self._keep_definition(step)
            case AttachTargets():
                await self._backend.attach_targets(step.vm, step.instant)
            case FreezeGuest():
                return await self._freeze(step)
            case StartBackup():
                taken = await self._backend.start_backup(step.vm, step.instant)
                return _plain(taken)
            case ThawGuest():
                return await self._thaw(step)
            case AwaitJobs():
                await self._await_jobs(step)
            case FinalizeJobs():
                await self._backend.finalize_jobs(step.vm, step.instant)
            case DetachTargets():
                await self._backend.detach_targets(step.vm, step.instant)
            case SealTarget():
                return await self._seal(step)
            case WriteManifest():
                self._write_manifest(step)
            case CommitPoint():
                self._repository.commit(step.point, self._vm)
            case DropBitmaps():
                kept = await self._backend.drop_bitmaps(step.vm, step.bitmaps)
                return {"kept": list(kept)}
            case AdoptCheckpoint():
                await self._backend.adopt_checkpoint(step.vm, step.name, step.targets)
            case AbortBackup():
                await self._backend.abort_backup(
                    step.vm, step.instant, was_running=step.was_running
                )
            case DropTargets():
                await self._backend.drop_targets(step.vm, step.instant)
            case DropPartial():
                self._repository.drop_partial(step.point)
            case CheckStored():
                await self._check_stored(step)
            case PrepareDirectory():
                _prepare_directory(Path(step.directory))
            case RestoreDisk():
                return await self._restore_disk(step)
            case RestoreDefinition():
                await asyncio.to_thread(self._restore_definition, step)
            case RemoveFile():
                Path(step.path).unlink(missing_ok=True)
            case PublishFiles():
                _publish(step)
            case _:
                assert_never(step)
        return None

    def let_go(self) -> None:
        """Hold nothing any more: a guest that is frozen now is thawed by its guard."""
        if self._guard is not None:
            self._guard.let_go()

    async def world(self, step: Step) -> World:
        """The facts by which a step that was broken off is settled."""
        started = False
        if isinstance(step, StartBackup):
            started = await self._backend.backup_started(step.vm, step.instant)
        point, repository = self.plan.point, self._repository
        in_place = isinstance(step, CommitPoint) and repository.is_committed(
            point, self._vm
        )
        files: set[str] = set()
        if isinstance(step, PublishFiles):
            named = {name for pair in step.files for name in pair}
            files = {name for name in named if Path(name).exists()}
        return World(
            partial_exists=bool(point) and repository.has_partial(point),
            point_exists=in_place,
            backup_started=started,
            files=frozenset(files),
        )

    @property
    def _repository(self) -> Repository:
        return self.arms.repository

    @property
    def _backend(self) -> Backend:
        assert self.arms.backend is not None, "this plan reaches no machine"
        return self.arms.backend

    @property
    def _vm(self) -> Vm:
        """Who the machine is, for the repository; it need not be reachable."""
        written = next(s for s in self.plan.steps if isinstance(s, WriteManifest))
        return Vm(
            name=written.vm_name,
            uuid=written.vm_uuid,
            connection=self.plan.connection,
            state=VmState.UNKNOWN,
            status="",
            disks=(),
        )

    async def _create_target(self, step: CreateTarget) -> None:
        path = self._repository.create_disk_file(step.point, step.file)
        await qemu_img.create_overlayless(path, step.virtual_bytes, step.backing)

    async def _keep_definition(self, step: KeepDefinition) -> Output:
        data = await self._backend.definition(step.vm)
        path = self._repository.create_disk_file(step.point, step.file)
        await asyncio.to_thread(path.write_bytes, data)
        await fsync_file(path)
        return {
            "file": step.file,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }

    def _restore_definition(self, step: RestoreDefinition) -> None:
        """Raises DamagedPoint when it is not what the manifest says."""
        stored = self._repository.find(step.point)
        data = read_definition(stored)
        fd = os.open(step.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, 0o600)
            file.write(data)
            file.flush()
            os.fsync(fd)

    async def _freeze(self, step: FreezeGuest) -> Output:
        guard = FreezeGuard(step.agent, step.deadline_s, self.arms.guard_report)
        await guard.arm()
        self._guard = guard
        return {"filesystems": await guard.freeze()}

    async def _thaw(self, step: ThawGuest) -> Output:
        if self._guard is not None:
            report = await self._guard.thaw()
        else:
            report = read_report(self.arms.guard_report)
            if report.may_be_frozen:
                await thaw_directly(step.agent, self.arms.guard_report)
        return {"window_s": report.window_s, "reason": report.reason}

    async def _await_jobs(self, step: AwaitJobs) -> None:
        def moved(jobs: tuple[Job, ...]) -> None:
            for disk in step.instant.disks:
                name = step.instant.job_id(disk)
                for job in jobs:
                    if job.id == name:
                        self.progress(disk.target, job.done_bytes, job.total_bytes)

        try:
            await self._unless_cancelled(
                self._backend.await_jobs(step.vm, step.instant, moved)
            )
        except StepFailed as failed:
            raise self._with_room(failed) from failed

    def _with_room(self, failed: StepFailed) -> StepFailed:
        """The same, with the bytes that are free and those that are wanted if there
        are too few: asked now, as what was written is removed in a moment."""
        free = self._repository.free_bytes()
        files = self._repository.partial_path(self.plan.point).iterdir()
        written = sum(file.stat().st_blocks * 512 for file in files)
        wanted = max(self.plan.estimates.bytes - written, 0)
        if free > max(wanted, MiB):
            return failed
        room = (
            f"{self.plan.repository} has {free} bytes free ({format_bytes(free)}),"
            f" about {wanted} more are needed ({format_bytes(wanted)})"
        )
        return StepFailed(
            failed.cause, evidence=f"{failed.evidence}; {room}", remedy=failed.remedy
        )

    async def _seal(self, step: SealTarget) -> Output:
        path = self._repository.partial_path(step.point) / step.file
        await fsync_file(path)
        backing = _created(self.plan, step.target).backing
        findings = await StoredImageChecker().check_structure(
            path, step.virtual_bytes, backing
        )
        if findings:
            raise StepFailed(
                f"{step.file} is not a whole image", evidence="; ".join(findings)
            )
        total = path.stat().st_size
        sha256 = await self._unless_cancelled(
            sha256_file(path, lambda done: self.progress(step.target, done, total))
        )
        self.progress(step.target, total, total)
        return {"bytes": total, "sha256": sha256}

    def _write_manifest(self, step: WriteManifest) -> None:
        point = manifest_of(
            step,
            taken=next(iter(self.outputs(StartBackup)), None),
            sealed=self.outputs(SealTarget),
            frozen=_quiesced(self.plan),
            report=read_report(self.arms.guard_report),
            definition=next(iter(self.outputs(KeepDefinition)), None),
        )
        self._repository.write_manifest(step.point, self._vm, point)

    async def _check_stored(self, step: CheckStored) -> None:
        stored = self._repository.find(step.point)
        for target in step.targets:
            chain = self._repository.chain(stored, target)
            total = sum(file.disk.bytes for file in chain)
            before = 0
            for file in chain:
                done = _counted(self.progress, target, before, total)
                digest = await self._unless_cancelled(sha256_file(file.path, done))
                if digest != file.disk.sha256:
                    raise StepFailed(
                        f"{target} of point {file.point_id} is damaged: nothing is"
                        " restored from it",
                        evidence=f"{file.path} has not the sha256 of its manifest",
                        remedy="restore another point, or put the file back",
                    )
                before += file.disk.bytes
                self.progress(target, before, total)

    async def _restore_disk(self, step: RestoreDisk) -> Output:
        stored = self._repository.find(step.point)
        chain = self._repository.chain(stored, step.target)
        out = Path(step.partial)
        fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.fchmod(fd, 0o600)
        os.close(fd)
        size = chain[0].disk.virtual_bytes
        kind: Literal["qcow2", "raw"] = "raw" if step.format == "raw" else "qcow2"

        def moved(ratio: float) -> None:
            self.progress(step.target, round(ratio * size), size)

        files = tuple(file.path for file in chain)
        await self._unless_cancelled(qemu_img.convert(files, out, kind, moved))
        self.progress(step.target, size, size)
        return {"bytes": out.stat().st_size}

    async def _unless_cancelled(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result; raises StepFailed when the operator cancels first."""
        task = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self.cancel.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise StepFailed("cancelled by the operator")
            return task.result()
        finally:
            waiting.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})


def _plain(value: object) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def _quiesced(plan: Plan) -> bool:
    return any(isinstance(step, FreezeGuest) for step in plan.steps)


def _created(plan: Plan, target: str) -> CreateTarget:
    return next(
        step
        for step in plan.steps
        if isinstance(step, CreateTarget) and step.target == target
    )


def _counted(
    progress: Progress, target: str, before: int, total: int
) -> Callable[[int], None]:
    return lambda done: progress(target, before + done, total)


def _prepare_directory(directory: Path) -> None:
    """An existing directory keeps its mode: it is the operator's own."""
    missing = [p for p in (directory, *directory.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700)
        path.chmod(0o700)
        fsync_path(path.parent)


def _publish(step: PublishFiles) -> None:
    """Link each whole file to its name, which fails where the name is taken, then
    drop the partial names: all files get their names, or none that was not ours."""
    linked: list[Path] = []
    try:
        for partial, final in step.files:
            if _same_file(Path(partial), Path(final)) or not Path(partial).exists():
                continue
            os.link(partial, final)
            linked.append(Path(final))
    except OSError as error:
        for path in linked:
            path.unlink(missing_ok=True)
        raise StepFailed(
            "a restored disk cannot get its name",
            evidence=str(error),
            remedy="move what has that name away and restore again",
        ) from error
    for partial, _ in step.files:
        Path(partial).unlink(missing_ok=True)
    for directory in {Path(final).parent for _, final in step.files}:
        fsync_path(directory)


def _same_file(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.samefile(second)

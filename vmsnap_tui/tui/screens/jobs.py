"""Every block job inside QEMU, and the operations behind them."""

from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from vmsnap_tui.engine.events import (
    EngineEvent,
    JobsMoved,
    JobView,
    RunEnded,
    RunStarted,
)
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.screens.confirm import Question
from vmsnap_tui.tui.view.spans import line
from vmsnap_tui.tui.view.unfinished import operation_cells
from vmsnap_tui.tui.widgets.job_panel import JobList
from vmsnap_tui.tui.widgets.table import Column, Row, Table
from vmsnap_tui.units import MiB, format_rate

FIRST_LIMIT_BYTES_PER_S = 256 * MiB
"""What slowing down an unlimited job begins with: a disk's pace, not a network's."""

_LEAST_BYTES_PER_S = MiB
_PAUSED = (JobStatus.PAUSED, JobStatus.STANDBY)
_ABILITIES = {
    "faster": Ability.LIMIT_JOB,
    "slower": Ability.LIMIT_JOB,
    "unlimited": Ability.LIMIT_JOB,
    "pause": Ability.PAUSE_JOB,
    "cancel": Ability.CANCEL_JOB,
}
"""What each action on a job asks of the machine's hypervisor."""
_EMPTY = (
    "No job runs. b on a machine's row starts a backup; jobs that others start\n"
    "in QEMU are shown here too."
)
_COLUMNS = (
    Column("state", "Operations", 13),
    Column("vm", "VM", 12, flex=1),
    Column("title", "What", 14, flex=1),
    Column("age", "Since", 6),
    Column("will", "Then", 20, flex=3),
)


class JobsScreen(BaseScreen[None]):
    """The cursor's job can be throttled, paused and cancelled."""

    NAME = "jobs"
    CSS_PATH = "jobs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(NAME)
    AUTO_FOCUS = "JobList"

    def body(self) -> Iterable[Widget]:
        glyphs = self.ours.glyphs
        yield Static(Content(_EMPTY), id="empty")
        yield JobList(glyphs, id="job-list")
        yield Vertical(
            Table(_COLUMNS, glyphs=glyphs, id="operations"), id="operations-pane"
        )

    @property
    def jobs(self) -> JobList:
        return self.query_one("#job-list", JobList)

    @property
    def vm_key(self) -> str | None:
        job = self.jobs.selected if self.is_mounted else None
        return job.vm if job else None

    def why_not(self, name: str) -> str:
        if name not in _ABILITIES:
            return super().why_not(name)
        if not self.is_mounted or not self.jobs.selected:
            return "No job runs."
        vm = self.vm
        return self.ours.why_unable(_ABILITIES[name], vm) if vm else ""

    def heard(self, event: EngineEvent) -> None:
        match event:
            case JobsMoved():
                self._show_jobs()
            case RunStarted() | RunEnded():
                self.reload()
            case _:
                pass

    def reload(self) -> None:
        app = self.ours
        self._show_jobs()
        now, glyphs = app.clock(), app.glyphs
        unfinished = app.observed.records.unfinished
        self.query_one("#operations", Table).set_rows(
            [Row(u.operation, operation_cells(u, now, glyphs)) for u in unfinished]
        )
        pane = self.query_one("#operations-pane")
        pane.display = bool(unfinished)
        pane.styles.height = min(len(unfinished) + 2, 9)

    def _show_jobs(self) -> None:
        jobs = self.ours.observed.all_jobs
        self.query_one("#empty").display = not jobs
        self.jobs.set_jobs(jobs)

    @on(JobList.Moved)
    def _moved(self) -> None:
        self.refresh_lines()

    @on(Table.RowSelected, "#operations")
    async def _operation_selected(self) -> None:
        await self.ours.action_do("recover")

    def do_faster(self) -> None:
        view = self.jobs.selected
        if view and view.job.speed_bytes_per_s:
            self._limit(view, view.job.speed_bytes_per_s * 2)
        elif view:
            self.ours.say("The job has no limit: it is as fast as it can be.")

    def do_slower(self) -> None:
        if view := self.jobs.selected:
            half = view.job.speed_bytes_per_s // 2
            wanted = half or FIRST_LIMIT_BYTES_PER_S
            self._limit(view, max(wanted, _LEAST_BYTES_PER_S))

    def do_unlimited(self) -> None:
        if view := self.jobs.selected:
            self._limit(view, 0)

    def _limit(self, view: JobView, speed: int) -> None:
        engine = self.ours.engine
        text = f"limited to {format_rate(speed)}" if speed else "has no limit now"
        self._act(
            lambda: engine.set_job_speed(view.vm, view.job.id, speed),
            f"{view.job.kind} of {view.vm_name} {text}",
        )

    def do_pause(self) -> None:
        view, engine = self.jobs.selected, self.ours.engine
        if view is None:
            return
        paused = view.job.status in _PAUSED
        call = engine.resume_job if paused else engine.pause_job
        self._act(
            lambda: call(view.vm, view.job.id),
            f"{view.job.kind} of {view.vm_name} {'goes on' if paused else 'pauses'}",
        )

    def do_cancel(self) -> None:
        view = self.jobs.selected
        if view is None:
            return
        question = Question(
            f"Cancel {view.job.kind} of {view.vm_name} {view.job.target}?",
            "Cancel the job",
            (
                line(f"Job {view.job.id}, {int(view.job.done_ratio * 100)} % done."),
                line("What it has copied is given up."),
                line("The operation that it belongs to is taken back.")
                if view.job.operation
                else line("It was not started by vmsnap-tui."),
            ),
            lambda: self._gone(view),
            refuse="Let it run",
        )
        self.ours.ask(question, lambda: self._cancel(view))

    def _gone(self, view: JobView) -> str:
        ids = {(other.vm, other.job.id) for other in self.ours.observed.all_jobs}
        return "" if (view.vm, view.job.id) in ids else "the job has ended meanwhile"

    def _cancel(self, view: JobView) -> None:
        """Our own operation is cancelled as a whole, a foreign job alone."""
        engine = self.ours.engine
        for run in engine.runs:
            if run.operation == view.job.operation and not run.done:
                run.cancel()
                self.ours.say(f"{run.plan.title} is being taken back")
                return
        self._act(
            lambda: engine.cancel_job(view.vm, view.job.id),
            f"{view.job.kind} of {view.vm_name} is cancelled",
        )

    def _act(self, call: Callable[[], Awaitable[None]], done: str) -> None:
        self.ours.run_worker(self._acting(call, done), group="jobs")

    async def _acting(self, call: Callable[[], Awaitable[None]], done: str) -> None:
        try:
            await call()
        except VmsnapError as error:
            self.ours.say_error(error)
        else:
            self.ours.say(done)

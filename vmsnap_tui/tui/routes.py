"""Where actions lead: every screen is imported when it is first opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from vmsnap_tui.backends.base import Link
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.units import format_duration

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.engine.runs import RunHandle
    from vmsnap_tui.model.vm import Vm
    from vmsnap_tui.tui.app import VmsnapApp
    from vmsnap_tui.tui.screens.base import BaseScreen

FREEZE_S = 5.0
"""How long a freeze by hand lasts: enough for a storage snapshot, short for a guest."""

_NEEDS_VM = {"backup", "restore", "freeze", "open", "ledger"}
_ABILITIES = {"backup": Ability.BACKUP, "freeze": Ability.FREEZE}
"""What each action asks of the machine's hypervisor."""


def _why_not_now(name: str, vm: Vm) -> str:
    """What the hypervisor could do, and the machine as it is cannot."""
    if name == "backup" and all(disk.unfit for disk in vm.disks):
        return "The machine has no disk that can be backed up."
    if name == "freeze" and (vm.agent is None or vm.agent.answers is False):
        return "The guest agent does not answer."
    return ""


class Routes(App[None]):
    """The actions that do the same on every screen."""

    engine: Engine
    observed: Observed

    def why_not(self, name: str, vm_key: str | None) -> str:
        """Why an action cannot be done for this machine now, or nothing."""
        if name == "recover" and not self.observed.recoverable:
            return "No operation was interrupted: there is nothing to recover."
        if name == "watch" and not self.engine.runs:
            return "No operation was begun here."
        vm = self.observed.vm(vm_key)
        if name in _NEEDS_VM and (vm is None or vm_key is None):
            return "No machine is highlighted."
        if vm is None or vm_key is None:
            return ""
        if name == "restore" and self.observed.last_point(vm_key) is None:
            able = not vm.limit(Ability.BACKUP)
            return "The machine has no point yet" + (": b makes one." if able else ".")
        if name not in _ABILITIES:
            return ""
        return self.why_unable(_ABILITIES[name], vm) or _why_not_now(name, vm)

    def why_unable(self, ability: Ability, vm: Vm) -> str:
        """Why its connection or its hypervisor cannot, or nothing."""
        connection = self.observed.connection_of(vm.key)
        if connection is None or connection.link is not Link.UP:
            return "The connection is down; this is what was read last."
        limit = vm.limit(ability)
        return f"{limit.sentence}." if limit else ""

    @property
    def _on_top(self) -> BaseScreen[None]:
        from vmsnap_tui.tui.screens.base import BaseScreen

        assert isinstance(self.screen, BaseScreen)
        return self.screen

    def open_vm(self, vm_key: str) -> None:
        from vmsnap_tui.tui.screens.vm import VmScreen

        self.push_screen(VmScreen(vm_key))

    def open_backup(self, vm_key: str) -> None:
        from vmsnap_tui.tui.screens.backup_form import BackupForm

        self.push_screen(BackupForm(vm_key))

    def open_points(self, vm_key: str | None) -> None:
        from vmsnap_tui.tui.screens.points import PointsScreen

        self.push_screen(PointsScreen(vm_key))

    def open_ledger(self, vm_key: str) -> None:
        from vmsnap_tui.tui.screens.ledger import LedgerScreen

        self.push_screen(LedgerScreen(vm_key))

    def open_restore(self, point_id: str) -> None:
        from vmsnap_tui.tui.screens.restore_form import RestoreForm

        self.push_screen(RestoreForm(point_id))

    def open_doctor(self) -> None:
        from vmsnap_tui.tui.screens.doctor import DoctorScreen

        self.push_screen(DoctorScreen())

    def open_run(self, handle: RunHandle) -> None:
        from vmsnap_tui.tui.screens.run_watch import RunWatch

        self.push_screen(RunWatch(handle))

    def do_watch(self) -> None:
        """Back to an operation of this program: the one that runs, else the last."""
        runs = self.engine.runs
        running = [run for run in runs if not run.done]
        if runs:
            self.open_run((running or runs)[-1])

    def do_backup(self) -> None:
        if key := self._on_top.vm_key:
            self.open_backup(key)

    def do_points(self) -> None:
        self.open_points(self._on_top.vm_key)

    def do_ledger(self) -> None:
        if key := self._on_top.vm_key:
            self.open_ledger(key)

    def do_restore(self) -> None:
        if stored := self.observed.last_point(self._on_top.vm_key or ""):
            self.open_restore(stored.point.id)

    def do_doctor(self) -> None:
        self.open_doctor()

    def do_open(self) -> None:
        if key := self._on_top.vm_key:
            self.open_vm(key)

    def do_jobs(self) -> None:
        from vmsnap_tui.tui.screens.jobs import JobsScreen

        self.push_screen(JobsScreen())

    def do_events(self) -> None:
        from vmsnap_tui.tui.screens.events import EventsScreen

        about = self._on_top.vm_key if self._on_top.NAME == "vm" else None
        self.push_screen(EventsScreen(about))

    def do_help(self) -> None:
        from vmsnap_tui.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self._on_top.NAME))

    def do_palette(self) -> None:
        self.action_command_palette()

    def do_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def do_refresh(self) -> None:
        self.run_worker(self._ours.refresh_engine(), group="refresh", exclusive=True)

    def do_theme(self) -> None:
        names = self._ours.themes.names
        here = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(here + 1) % len(names)]

    def do_quit(self) -> None:
        from vmsnap_tui.tui.screens.quit import quit_question

        running = tuple(run for run in self.engine.runs if not run.done)
        if not running:
            self._ours.leave(0)
            return
        question = quit_question(running)
        self._ours.ask(question, lambda: self._ours.leave(0))

    def do_freeze(self) -> None:
        from vmsnap_tui.tui.screens.confirm import Question
        from vmsnap_tui.tui.view.spans import line

        vm = self.observed.vm(self._on_top.vm_key)
        if vm is None:
            return
        question = Question(
            f"Freeze the file systems of {vm.name}?",
            f"Freeze for {format_duration(FREEZE_S)}",
            (
                line("The guest's writes wait meanwhile, then it is thawed."),
                line("A guard thaws it even when vmsnap-tui dies."),
            ),
            lambda: self.why_not("freeze", vm.key),
        )
        self._ours.ask(question, lambda: self._ours.freeze_guest(vm.key))

    def do_recover(self) -> None:
        from vmsnap_tui.tui.screens.recover import recover_question

        pending = self.observed.recoverable
        if not pending:
            return
        first = pending[0]
        self._ours.ask(
            recover_question(first, len(pending)),
            lambda: self._ours.recover(first.operation),
        )

    @property
    def _ours(self) -> VmsnapApp:
        from vmsnap_tui.tui.app import VmsnapApp

        assert isinstance(self, VmsnapApp)
        return self

    async def refresh_engine(self) -> None:
        """Read every connection and the repository again."""
        await self.engine.refresh()
        self._ours.read_records()

    def freeze_guest(self, vm_key: str) -> None:
        """Freeze by hand, and say how long the guest waited."""
        self.run_worker(self._freeze(vm_key), group="freeze")

    async def _freeze(self, vm_key: str) -> None:
        vm = self.observed.vm(vm_key)
        if vm is None:
            return
        self.observed.frozen[vm_key] = "by hand"
        self._ours.show_all()
        try:
            report = await self.engine.freeze(vm, FREEZE_S)
        except VmsnapError as error:
            self._ours.say_error(error)
            return
        finally:
            self.observed.frozen.pop(vm_key, None)
            self._ours.show_all()
        if report.window_s is None:
            self._ours.say(f"{vm.name} was not frozen: {report.reason}", "error")
            return
        self._ours.say(
            f"{vm.name}: {report.filesystems} file systems were frozen"
            f" for {format_duration(report.window_s)}"
        )

    def recover(self, operation: str) -> None:
        """Go on with an interrupted operation and watch it."""
        try:
            handle = self.engine.recover(operation)
        except VmsnapError as error:
            self._ours.say_error(error)
            return
        self.open_run(handle)

"""What to back up, and how: every field has a default that is right for most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Static

from vmsnap_tui.engine.events import EngineEvent, FleetChanged
from vmsnap_tui.errors import NotFound, UsageError
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, Level
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.screens.form import FormScreen, chosen_targets
from vmsnap_tui.tui.screens.operation import field_label, heading
from vmsnap_tui.tui.view.form_rows import (
    disk_line,
    disk_plan_line,
    impossible_line,
    machine_line,
    no_plan_line,
    planned,
    why_never,
    why_no_freeze,
)
from vmsnap_tui.tui.view.paragraphs import joined, said
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.widgets.fields import Choice, TickBox
from vmsnap_tui.tui.widgets.toned import content_of
from vmsnap_tui.units import format_duration, parse_size


class BackupForm(FormScreen):
    """One machine's backup. Continue has the focus: enter, enter is a backup."""

    NAME = "backup-form"
    CSS_PATH = ["operation.tcss", "form.tcss", "backup_form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(NAME),
        *FormScreen.FIELD_BINDINGS,
    ]

    def __init__(self, vm_key: str) -> None:
        super().__init__()
        self._vm_key = vm_key
        self._standing: object = None

    @property
    def vm_key(self) -> str | None:
        return self._vm_key

    def body(self) -> Iterable[Widget]:
        vm = self.vm
        self._standing = _standing(vm)
        yield heading(self._heading())
        with VerticalScroll(id="fields", can_focus=False):
            with Vertical(id="disks"):
                for disk in vm.disks if vm else ():
                    yield _disk_box(disk)
            with Horizontal(classes="field"):
                yield field_label("Level")
                yield Choice(tuple(Level), Level.AUTO, id="level")
            yield Static(id="level-note")
            with Horizontal(classes="field"):
                yield field_label("Freeze")
                yield self._freeze_box()
            with Horizontal(classes="field"):
                yield field_label("Compress")
                yield TickBox(said(""), value=False, id="compress")
            with Horizontal(classes="field"):
                yield field_label("Limit")
                yield Input(placeholder="none; 64M is 64 MiB/s a disk", id="speed")
        yield from self.verdict_and_buttons()

    def on_mount(self) -> None:
        super().on_mount()
        self._show_limits()

    def _show_limits(self) -> None:
        """What this hypervisor cannot do is greyed, with the reason beside it."""
        vm = self.vm
        level = why_never(vm, Ability.INCREMENTAL) if vm else ""
        barred = {Level.INCREMENTAL.value} if level else set()
        self.query_one("#level", Choice).bar(frozenset(barred))
        note = self.query_one("#level-note", Static)
        note.display = bool(level)
        note.update(content_of(said(f"{Level.INCREMENTAL}: {level}", Tone.MUTED)))
        box = self.query_one("#compress", TickBox)
        reason = why_never(vm, Ability.COMPRESS) if vm else ""
        box.fix(reason)
        text = said("what is stored: smaller, and slower to make")
        box.describe(impossible_line(reason) if reason else text)

    def _heading(self) -> Line:
        vm = self.vm
        name = vm.name if vm else self._vm_key
        state = machine_line(vm) if vm else said("is gone", Tone.ALARM)
        return joined([said(f"Back up {name}", Tone.STRONG), state])

    def _freeze_box(self) -> TickBox:
        vm = self.vm
        reason = why_no_freeze(vm) if vm else "the machine is gone"
        answers = vm is not None and _answers(vm)
        return TickBox(
            self._freeze_line(reason), value=answers, fixed=reason, id="quiesce"
        )

    def _freeze_line(self, reason: str) -> Line:
        if reason:
            return impossible_line(reason)
        deadline = format_duration(self.ours.engine.settings.freeze_deadline_s)
        text = f"the guest's file systems at the instant, {deadline} at most"
        return said(text)

    def request(self) -> BackupRequest:
        if self.vm is None:
            raise NotFound("the machine is gone", remedy="see the list of machines")
        _, without = chosen_targets(self.query("#disks TickBox").results(TickBox))
        return BackupRequest(
            vm=self._vm_key,
            exclude=without,
            level=Level(self.query_one("#level", Choice).value),
            quiesce=self.query_one("#quiesce", TickBox).value,
            freeze_deadline_s=self.ours.engine.settings.freeze_deadline_s,
            compress=self.query_one("#compress", TickBox).value,
            speed_bytes_per_s=self._speed(),
        )

    def _speed(self) -> int:
        text = self.query_one("#speed", Input).value.strip()
        try:
            return parse_size(text) if text else 0
        except ValueError as error:
            raise UsageError(
                f"the limit is {error}", remedy="leave it empty for none"
            ) from error

    def described(self, plan: Plan | None) -> None:
        vm = self.vm
        for box in self.query("#disks TickBox").results(TickBox):
            disk = vm.disk(box.name or "") if vm else None
            if disk is None or box.fixed:
                continue
            would = planned(plan, disk.target)
            if would is not None:
                text = disk_line(disk) + disk_plan_line(would)
                box.describe(text, said(would.reason, Tone.MUTED))
            else:
                box.describe(disk_line(disk), no_plan_line(ticked=box.value))

    def heard(self, event: EngineEvent) -> None:
        """The machine stops, or its agent comes: the plan is another one then."""
        if isinstance(event, FleetChanged) and _standing(self.vm) != self._standing:
            self._standing = _standing(self.vm)
            self._follow_machine()
            self.changed()

    def _follow_machine(self) -> None:
        vm = self.vm
        reason = why_no_freeze(vm) if vm else "the machine is gone"
        box = self.query_one("#quiesce", TickBox)
        came = bool(box.fixed) and not reason
        box.fix(reason)
        if came and vm is not None:
            box.value = _answers(vm)
        box.describe(self._freeze_line(reason))
        self._show_limits()
        self.query_one("#heading", Static).update(content_of(self._heading()))

    def do_next_level(self) -> None:
        self.query_one("#level", Choice).action_move(1)

    def do_flip_freeze(self) -> None:
        self.query_one("#quiesce", TickBox).action_flip()

    def why_not(self, name: str) -> str:
        if name == "flip_freeze" and self.is_mounted:
            reason = self.query_one("#quiesce", TickBox).fixed
            return f"No freeze: {reason}." if reason else ""
        return super().why_not(name)


def _answers(vm: Vm) -> bool:
    """Whether a freeze is the default: the agent is known to be there."""
    return vm.agent is not None and vm.agent.answers is True


def _standing(vm: Vm | None) -> object:
    """What of a machine makes another plan; its counters do not."""
    if vm is None:
        return None
    disks = tuple((disk.target, disk.unfit, len(disk.chain)) for disk in vm.disks)
    return vm.state, vm.agent, disks, vm.limits


def _disk_box(disk: Disk) -> TickBox:
    if disk.unfit:
        text = disk_line(disk) + said(f"takes no part: {disk.unfit}", Tone.MUTED)
        return TickBox(text, fixed=disk.unfit, name=disk.target)
    return TickBox(
        disk_line(disk), note=said("looking …", Tone.MUTED), name=disk.target
    )

"""Where to write a point's disks, and as what; nothing is ever replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from vmsnap_tui.errors import UsageError, VmsnapError
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import RestoreFormat, RestoreRequest
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.actions import bindings
from vmsnap_tui.tui.off_loop import off_loop
from vmsnap_tui.tui.screens.form import FormScreen, chosen_targets
from vmsnap_tui.tui.screens.operation import field_label, heading
from vmsnap_tui.tui.view.form_rows import (
    disk_plan_line,
    no_plan_line,
    planned,
    stored_disk_line,
)
from vmsnap_tui.tui.view.paragraphs import joined, said
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.tui.widgets.fields import Choice, TickBox
from vmsnap_tui.tui.widgets.toned import content_of

_TRIES = 100


class RestoreForm(FormScreen):
    """One point's restore, to a fresh directory below `base` unless told otherwise."""

    NAME = "restore-form"
    CSS_PATH = ["operation.tcss", "form.tcss", "restore_form.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(NAME),
        *FormScreen.FIELD_BINDINGS,
    ]

    class Found(Message):
        """The point was read, and a directory for it is free."""

        def __init__(self, stored: StoredPoint, directory: Path) -> None:
            super().__init__()
            self.stored = stored
            self.directory = directory

    class Missing(Message):
        """The point could not be read."""

        def __init__(self, error: VmsnapError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, point_id: str, base: Path | None = None) -> None:
        super().__init__()
        self.point_id = point_id
        self.stored: StoredPoint | None = None
        self._base = base

    def body(self) -> Iterable[Widget]:
        yield heading(self._heading())
        with VerticalScroll(id="fields", can_focus=False):
            yield Vertical(id="disks")
            with Horizontal(classes="field"):
                yield field_label("To")
                yield Input(id="directory")
            with Horizontal(classes="field"):
                yield field_label("Format")
                yield Choice(tuple(RestoreFormat), RestoreFormat.QCOW2, id="format")
        yield from self.verdict_and_buttons()

    def _heading(self) -> Line:
        if self.stored is None:
            return said(f"Restore {self.point_id}", Tone.STRONG)
        point, now = self.stored.point, self.ours.clock()
        clock = Clock(now, now.tzinfo)
        when = f"of {clock.local(point.created_utc)}, {clock.age(point.created_utc)}"
        return joined(
            [said(f"Restore {point.vm_name}", Tone.STRONG), said(when, Tone.MUTED)]
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._find(), group="find")

    async def _find(self) -> None:
        try:
            found = await off_loop(self.ours.engine.find_point, self.point_id)
            directory = await off_loop(fresh_directory, found, self._base)
        except VmsnapError as error:
            self.post_message(self.Missing(error))
        else:
            self.post_message(self.Found(found, directory))

    async def on_restore_form_found(self, message: Found) -> None:
        self.stored = message.stored
        self.query_one("#heading", Static).update(content_of(self._heading()))
        boxes = [
            TickBox(stored_disk_line(disk), name=disk.target)
            for disk in message.stored.point.disks
        ]
        await self.query_one("#disks").mount(*boxes)
        self.query_one("#directory", Input).value = str(message.directory)
        self.changed(at_once=True)

    def on_restore_form_missing(self, message: Missing) -> None:
        self.refused(message.error)

    def ready(self) -> bool:
        return self.stored is not None

    def request(self) -> RestoreRequest:
        ticked, without = chosen_targets(self.query(TickBox).results(TickBox))
        directory = self.query_one("#directory", Input).value.strip()
        if not directory or "\0" in directory:
            raise UsageError("no directory is named", remedy="name one to write to")
        return RestoreRequest(
            point=self.point_id,
            directory=directory,
            disks=ticked if without else (),
            format=RestoreFormat(self.query_one("#format", Choice).value),
        )

    def described(self, plan: Plan | None) -> None:
        for box in self.query("#disks TickBox").results(TickBox):
            disk = self.stored.point.disk(box.name or "") if self.stored else None
            would = planned(plan, box.name or "")
            if disk is None:
                continue
            text = stored_disk_line(disk)
            if would is not None:
                box.describe(
                    text + disk_plan_line(would), said(would.reason, Tone.MUTED)
                )
            else:
                box.describe(text, no_plan_line(ticked=box.value))

    def do_next_format(self) -> None:
        self.query_one("#format", Choice).action_move(1)


def fresh_directory(stored: StoredPoint, base: Path | None) -> Path:
    """A directory that does not exist yet, named after the machine and the point.

    A machine's name is untrusted: what is no plain letter of it becomes `-`.
    """
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-"
        for c in stored.point.vm_name
    ).lstrip(".-")
    home = base or Path.cwd()
    name = f"{safe[:60] or 'vm'}-{stored.point.id}"
    names = [name, *(f"{name}-{number}" for number in range(2, _TRIES))]
    return next((home / n for n in names if not os.path.lexists(home / n)), home / name)

"""The application: one engine, what it has told, and the screens over it.

What a screen may use (as `self.ours`, which is `self.app` by its own type):

- `engine`, `observed` (what the engine has told, see `observed.Observed`), `clock`
  (never read another), `glyphs`, `place` (what stands beside the program's name);
- `say(text, severity)`: a toast, never read as markup;
- `ask(question, then)`: `screens.confirm.Question`; `then` runs when it is agreed;
- `read_records()`: points, alarms and unfinished operations are read anew;
- `open_backup(vm_key)`, `open_points(vm_key | None)`, `open_restore(point_id)`,
  `open_ledger(vm_key)`, `open_doctor()`, `open_run(handle)`, `open_vm(vm_key)`.

A screen derives from `screens.base.BaseScreen`, its actions stand in `actions.CORE`
or `actions_operations.OPERATIONS`, and the action `x` runs `do_x` of the screen,
else of the app. Workers post messages, handlers touch widgets.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePath
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.engine.events import (
    EngineEvent,
    FleetChanged,
    JobsMoved,
    RunEnded,
    RunStarted,
)
from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.text import visible
from vmsnap_tui.tui import terminal
from vmsnap_tui.tui.actions import actions_of, bindings
from vmsnap_tui.tui.glyphs import UNICODE, Glyphs
from vmsnap_tui.tui.messages import EngineOpened, EngineSpoke, RecordsRead
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.records import read_records
from vmsnap_tui.tui.routes import Routes
from vmsnap_tui.tui.safe import SafeFilter
from vmsnap_tui.tui.screens.base import BaseDialog, BaseScreen
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.theme import DEFAULT_THEME, Themes, load_themes

if TYPE_CHECKING:
    from vmsnap_tui.engine.engine import Engine
    from vmsnap_tui.tui.screens.confirm import Question

NEWS_S = 3.0
"""What went well is read at a glance; what did not stays for Textual's time."""

FLEET_EVERY_S = 0.1
"""A thousand connections that come up together are drawn ten times a second."""

RECORDS_EVERY_S = 1.0
"""Events come in bursts; the repository is read at most so often for them."""

Severity = Literal["information", "warning", "error"]


def local_time() -> datetime:
    """The clock of the operator's own place."""
    return datetime.now(UTC).astimezone()


class VmsnapApp(Routes, App[None]):
    """Listens to the engine, keeps what it told, and tells the screen on top."""

    TITLE = "vmsnap-tui"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["app.tcss", "screens/home.tcss"]
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("")
    NOTIFICATION_TIMEOUT = 8.0

    def __init__(
        self,
        engine: Engine,
        *,
        place: str = "",
        clock: Callable[[], datetime] = local_time,
        glyphs: Glyphs = UNICODE,
        encoding: str = "utf-8",
        theme: str = DEFAULT_THEME,
        themes: Themes | None = None,
    ) -> None:
        self.engine = engine
        self.observed = Observed()
        self.place = place
        self.clock = clock
        self.glyphs = glyphs
        self.themes = themes or load_themes()
        self._safe = SafeFilter(encoding)
        self._records_wanted = False
        self._records_reading = False
        self._records_hurry = asyncio.Event()
        self._fleet_settling = False
        self._fleet_again = False
        self._news_until_s = 0.0
        super().__init__()
        self.animation_level = "none"
        for each in self.themes.themes:
            self.register_theme(each)
        self._theme_problems = list(self.themes.problems)
        if theme not in self.themes.names:
            have = ", ".join(self.themes.names)
            self._theme_problems.append(f"there is no theme {theme}; there is {have}")
            theme = DEFAULT_THEME
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return self.themes.variable_defaults

    def get_line_filters(self) -> list[LineFilter]:
        return [*super().get_line_filters(), self._safe]

    def get_default_screen(self) -> HomeScreen:
        return HomeScreen()

    def on_mount(self) -> None:
        if not self.is_headless:
            terminal.watch_signals(self.leave)
            self.set_interval(terminal.HANGUP_CHECK_S, self._check_terminal)
        self.set_interval(1.0, self._tick)
        for problem in self._theme_problems:
            self.say(problem, "warning")
        self.run_worker(self._listen(), group="engine")
        self.run_worker(self._open_engine(), group="engine")

    async def on_unmount(self) -> None:
        await self.engine.close()

    def leave(self, code: int) -> None:
        """Give the terminal back and end with this exit code."""
        self.exit(return_code=code)

    def _check_terminal(self) -> None:
        if sys.__stdin__ is None or terminal.hung_up(sys.__stdin__.fileno()):
            self.leave(129)

    def _tick(self) -> None:
        screen = self.on_top
        if isinstance(screen, BaseScreen) and screen.is_mounted:
            screen.tick()

    async def _open_engine(self) -> None:
        await self.engine.open(glance=True)
        self.post_message(EngineOpened())

    async def _listen(self) -> None:
        async for event in self.engine.events():
            self.post_message(EngineSpoke(event))

    def on_engine_opened(self) -> None:
        self.observed.opened = True
        self.read_records()
        self.show_all()

    def on_engine_spoke(self, message: EngineSpoke) -> None:
        match message.event:
            case FleetChanged(connections):
                self.observed.fleet = connections
                self.read_records()
                self._tell_fleet()
                return
            case JobsMoved(vm, jobs):
                self.observed.jobs[vm] = jobs
            case WireHeard() as heard:
                self.observed.wire.append(heard)
            case run_event:
                self.observed.note_run(run_event)
                if isinstance(run_event, RunStarted | RunEnded):
                    self.read_records(at_once=True)
        self._tell(message.event)

    def _tell_fleet(self) -> None:
        """The first change at once, a burst after it as one."""
        if self._fleet_settling:
            self._fleet_again = True
            return
        self._fleet_settling = True
        self.set_timer(FLEET_EVERY_S, self._fleet_settled)
        self._tell(FleetChanged(self.observed.fleet))

    def _fleet_settled(self) -> None:
        self._fleet_settling = False
        if self._fleet_again:
            self._fleet_again = False
            self._tell_fleet()

    @property
    def on_top(self) -> Screen[object] | None:
        """The screen on top; None while the app is being taken down, when timers and
        messages may still come."""
        stack = self.screen_stack if self.is_running else []
        return stack[-1] if stack else None

    def _tell(self, event: EngineEvent) -> None:
        screen = self.on_top
        if isinstance(screen, BaseScreen | BaseDialog) and screen.is_mounted:
            screen.heard(event)
        if isinstance(screen, BaseScreen) and screen.is_mounted:
            screen.refresh_lines()

    def read_records(self, *, at_once: bool = False) -> None:
        """Read what is on disk beside the loop; once more if asked meanwhile, and
        without a pause before that where the next key may be about what is new."""
        self._records_wanted = True
        if at_once:
            self._records_hurry.set()
        if not self._records_reading:
            self._records_reading = True
            self.run_worker(self._read_records(), group="records")

    async def _read_records(self) -> None:
        while self._records_wanted:
            self._records_wanted = False
            self._records_hurry.clear()
            self.post_message(RecordsRead(await read_records(self.engine)))
            with suppress(TimeoutError):
                async with asyncio.timeout(RECORDS_EVERY_S):
                    await self._records_hurry.wait()
        self._records_reading = False

    def on_records_read(self, message: RecordsRead) -> None:
        if message.records != self.observed.records:
            self.observed.records = message.records
            self.show_all()
        self.observed.records_read = self.observed.opened

    def show_all(self) -> None:
        """The screen on top draws everything anew."""
        screen = self.on_top
        if isinstance(screen, BaseScreen):
            screen.refresh_all()

    def say(self, text: str, severity: Severity = "information") -> None:
        """A toast; the text is shown as it is, never read as markup."""
        timeout = NEWS_S if severity == "information" else None
        shown = visible(text)
        until_s = monotonic() + (timeout or self.NOTIFICATION_TIMEOUT)
        self._news_until_s = max(self._news_until_s, until_s)
        self.notify(shown, severity=severity, timeout=timeout, markup=False)

    def _refuse(self, reason: str) -> None:
        """Why a key does nothing: the answer to that key, gone with the next one."""
        until_s = self._news_until_s
        self.say(reason, "warning")
        self._news_until_s = until_s

    def _drop_refusals(self) -> None:
        """A hurried operator's would pile up over the screen; news stay their time."""
        if monotonic() >= self._news_until_s:
            self.clear_notifications()

    def say_error(self, error: VmsnapError) -> None:
        """A failure with its evidence and its remedy."""
        self.say(str(error), "error")

    def ask(self, question: Question, then: Callable[[], None]) -> None:
        """Ask before acting; `then` runs only when it was agreed and still stands."""
        from vmsnap_tui.tui.screens.confirm import ConfirmDialog

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        self.clear_notifications()  # a toast must not cover the answers
        self.push_screen(ConfirmDialog(question), answered)

    async def action_quit(self) -> None:
        """Textual's own key for it asks as well."""
        self.do_quit()

    async def action_do(self, name: str) -> None:
        """Run the action of that name, or say why it cannot be done now."""
        screen = self.screen
        if not isinstance(screen, BaseScreen):
            return
        self._drop_refusals()
        if reason := screen.why_not(name):
            self._refuse(reason)
            return
        act = getattr(screen, f"do_{name}", None) or getattr(self, f"do_{name}")
        act()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of the screen; one that cannot be done now says why."""
        if not isinstance(screen, BaseScreen):
            return
        for action in actions_of(screen.NAME):
            if action.name == "palette":
                continue
            reason = screen.why_not(action.name)
            yield SystemCommand(
                f"{action.label} ({action.shown_key})",
                f"Not now: {reason}" if reason else action.help,
                lambda name=action.name: self.call_later(self.action_do, name),
            )

"""What every screen of ours is: status line, body, action line.

A screen draws what the app has observed. It is told of every event of the engine
while it is on top, and is asked to draw everything anew when it comes back on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from vmsnap_tui.engine.events import EngineEvent
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.actions import actions_of
from vmsnap_tui.tui.widgets.action_bar import ActionBar
from vmsnap_tui.tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from vmsnap_tui.tui.app import VmsnapApp

ResultT = TypeVar("ResultT")


class BaseScreen(Screen[ResultT]):
    """Subclasses set `NAME`, `BINDINGS = bindings(NAME)`, and say `body`.

    An action `x` of the registry runs `do_x` of the screen, else of the app, unless
    `why_not("x")` gives a reason, which the operator is then told.
    """

    NAME: ClassVar[str]
    AUTO_FOCUS = "Table, LinesView"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    @property
    def ours(self) -> VmsnapApp:
        """The app by its own type."""
        return cast("VmsnapApp", self.app)

    def compose(self) -> ComposeResult:
        app = self.ours
        yield StatusBar(app.place, app.observed, app.clock, app.glyphs)
        yield from self.body()
        yield ActionBar(actions_of(self.NAME), self.why_not)

    def body(self) -> Iterable[Widget]:
        """The widgets between the two lines."""
        return ()

    def heard(self, event: EngineEvent) -> None:
        """The engine told something while this screen is on top."""

    def reload(self) -> None:
        """Draw everything from what is observed now."""

    @property
    def vm_key(self) -> str | None:
        """The machine that an action is about."""
        return None

    @property
    def vm(self) -> Vm | None:
        return self.ours.observed.vm(self.vm_key)

    def why_not(self, name: str) -> str:
        """Why an action cannot be done now, as a sentence, or nothing."""
        return self.ours.why_not(name, self.vm_key)

    def on_mount(self) -> None:
        self.reload()

    def on_screen_resume(self) -> None:
        self.refresh_all()

    def refresh_all(self) -> None:
        """Bring body and both lines up to date."""
        if self.is_mounted:
            self.reload()
            self.refresh_lines()

    def tick(self) -> None:
        """A second has passed."""
        for bar in self.query(StatusBar):  # none before it is composed
            bar.tick()

    def refresh_lines(self) -> None:
        """Bring the status line and the action line up to date."""
        self.query_one(StatusBar).tick()
        self.query_one(ActionBar).update()


class BaseDialog(ModalScreen[ResultT]):
    """A question over a screen; it never has a status line of its own."""

    @property
    def ours(self) -> VmsnapApp:
        """The app by its own type."""
        return cast("VmsnapApp", self.app)

    def heard(self, event: EngineEvent) -> None:
        """The engine told something while this question is open."""

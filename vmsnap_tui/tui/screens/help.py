"""Every key of the screen before, with what it does."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from vmsnap_tui.tui.actions import actions_of, bindings
from vmsnap_tui.tui.screens.base import BaseScreen
from vmsnap_tui.tui.view.help import help_lines
from vmsnap_tui.tui.widgets.lines import LinesView


class HelpScreen(BaseScreen[None]):
    """Read from the registry of actions, so that it cannot be out of date."""

    NAME = "help"
    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings(NAME)

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = about

    def body(self) -> Iterable[Widget]:
        glyphs = self.ours.glyphs
        actions = actions_of(self._about)
        yield LinesView(lambda width: help_lines(actions, glyphs, width))

    def why_not(self, name: str) -> str:
        return "This is the help." if name == "help" else super().why_not(name)

"""A list with the details of the highlighted row beside it, or in its place."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual import on

from vmsnap_tui.tui.screens.operation import OperationScreen
from vmsnap_tui.tui.widgets.lines import LinesView
from vmsnap_tui.tui.widgets.table import Table


class DetailedScreen(OperationScreen[None]):
    """The list has the focus at first (`LIST`), the details are `#detail`; the
    class `-detail` is on while they have the whole screen."""

    LIST: ClassVar[str]
    """The list's selector."""

    @abstractmethod
    def show_detail(self) -> None:
        """Draw what is told of the highlighted row."""

    @on(Table.RowHighlighted)
    def _highlighted(self) -> None:
        self.show_detail()
        self.query_one("#detail", LinesView).scroll_home(animate=False)
        self.refresh_lines()

    @on(Table.RowSelected)
    def _selected(self) -> None:
        self.do_details()

    def do_details(self) -> None:
        """Give the details the whole screen, or the list again."""
        self.toggle_class("-detail")
        shown = "#detail" if self.has_class("-detail") else self.LIST
        self.query_one(shown).focus()

    def do_leave(self) -> None:
        if self.has_class("-detail"):
            self.do_details()
        else:
            super().do_leave()

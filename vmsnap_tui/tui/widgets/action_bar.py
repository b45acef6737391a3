"""The last line: what can be done here, read from the registry of actions.

What cannot be done now is dimmed and keeps its place; its key says why.
"""

from collections.abc import Callable

from rich.cells import cell_len
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.tui.action import Action
from vmsnap_tui.tui.view.spans import Line, Span, Tone
from vmsnap_tui.tui.widgets.toned import strip_of


class ActionBar(Widget):
    """`why_not(name)` is empty for what can be done now."""

    DEFAULT_CSS = "ActionBar { height: 1; dock: bottom; background: $panel; }"

    def __init__(
        self, actions: tuple[Action, ...], why_not: Callable[[str], str]
    ) -> None:
        super().__init__()
        self.actions = tuple(action for action in actions if action.in_footer)
        self._why_not = why_not
        self._drawn: Line = ()

    def update(self) -> None:
        """Draw again if what can be done has changed."""
        if self._line() != self._drawn:
            self.refresh()

    def fitting(self, width: int) -> tuple[Action, ...]:
        """Those that there is room for; the last two (help, quit) always are."""
        kept = list(self.actions)
        while len(kept) > 3 and sum(map(_cells, kept)) > width:
            del kept[-3]
        return tuple(kept)

    def _line(self) -> Line:
        parts: list[Span] = []
        for action in self.fitting(self.size.width):
            off = bool(self._why_not(action.name))
            tones = (
                (Tone.UNAVAILABLE, Tone.UNAVAILABLE)
                if off
                else (Tone.STRONG, Tone.MUTED)
            )
            parts.append(Span(f" {action.shown_key}", tones[0]))
            parts.append(Span(f" {action.label} ", tones[1]))
        return tuple(parts)

    def render_line(self, y: int) -> Strip:
        self._drawn = self._line()
        return strip_of(self, self._drawn, self.size.width, self.rich_style)

    async def on_click(self, event: events.Click) -> None:
        x = 0
        for action in self.fitting(self.size.width):
            x += _cells(action)
            if event.x < x:
                await self.run_action(f"app.do({action.name!r})")
                return


def _cells(action: Action) -> int:
    return cell_len(action.shown_key) + cell_len(action.label) + 3

"""Fields of a form that say what they are without colour: `[x]`, `( )`.

Textual's own boxes draw on and off with the same characters.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.tui.view.spans import Line, Span, Tone, span
from vmsnap_tui.tui.widgets.toned import cursor_style, strip_of


class _Field(Widget, can_focus=True):
    """Lines of text under a focus that reverse video shows."""

    def lines(self) -> tuple[Line, ...]:
        raise NotImplementedError(type(self))

    def render_line(self, y: int) -> Strip:
        lines = self.lines()
        if y >= len(lines):
            return Strip.blank(self.size.width, self.rich_style)
        style: Style = self.rich_style
        focused = self.has_focus and y == 0
        if focused:
            style += cursor_style(self, focused=True)
        return strip_of(self, lines[y], self.size.width, style, keep_tones=not focused)


class TickBox(_Field):
    """On or off, with text beside it and a second line of reasons under it.

    `fixed` says why it cannot be changed; it then shows `[-]`.
    """

    DEFAULT_CSS = "TickBox { height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "flip", show=False),
    ]

    value: reactive[bool] = reactive(True)

    class Changed(Message):
        """The operator ticked or unticked it."""

        def __init__(self, box: "TickBox") -> None:
            super().__init__()
            self.box = box

        @property
        def control(self) -> "TickBox":
            return self.box

    def __init__(
        self,
        text: Line,
        *,
        note: Line = (),
        value: bool = True,
        fixed: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name for it
        name: str | None = None,
    ) -> None:
        super().__init__(id=id, name=name)
        self._text = text
        self._note = note
        self._fixed = fixed
        self.set_reactive(TickBox.value, value and not fixed)
        self.can_focus = not fixed

    @property
    def fixed(self) -> str:
        return self._fixed

    def describe(self, text: Line, note: Line = ()) -> None:
        """Show another text; what was shown already is not drawn again."""
        if (text, note) != (self._text, self._note):
            taller = bool(note) != bool(self._note)
            self._text, self._note = text, note
            self.refresh(layout=taller)

    def fix(self, reason: str) -> None:
        """Take the choice away, with the reason, or give it back."""
        self._fixed = reason
        self.can_focus = not reason
        if reason:
            self.value = False
        self.refresh()

    def get_content_height(self, *_: object) -> int:
        return 2 if self._note else 1

    def lines(self) -> tuple[Line, ...]:
        sign = "[-]" if self._fixed else "[x]" if self.value else "[ ]"
        tone = Tone.MUTED if self._fixed else Tone.PLAIN
        first = (Span(f" {sign} ", tone), *self._text)
        return (first, (Span("     "), *self._note)) if self._note else (first,)

    def action_flip(self) -> None:
        if not self._fixed:
            self.value = not self.value
            self.post_message(self.Changed(self))

    def on_click(self) -> None:
        self.action_flip()


class Choice(_Field):
    """One of a few words on one line; left and right move it past those in `barred`,
    which stand in their place and cannot be chosen."""

    DEFAULT_CSS = "Choice { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", show=False),
        Binding("right,space", "move(1)", show=False),
    ]

    value: reactive[str] = reactive("")

    class Changed(Message):
        """The operator chose another word."""

        def __init__(self, choice: "Choice") -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> "Choice":
            return self.choice

    def __init__(
        self,
        options: Sequence[str],
        value: str,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name for it
    ) -> None:
        super().__init__(id=id)
        self.options = tuple(options)
        self.barred: frozenset[str] = frozenset()
        self.set_reactive(Choice.value, value)

    def bar(self, barred: frozenset[str]) -> None:
        """Take these options away; one that was chosen gives way to the first left."""
        self.barred = barred
        if self.value in barred:
            self.value = next(o for o in self.options if o not in barred)
        self.refresh()

    def lines(self) -> tuple[Line, ...]:
        parts: list[Span] = []
        for option in self.options:
            chosen = option == self.value
            sign = "(*)" if chosen else "( )"
            tone = Tone.STRONG if chosen else Tone.PLAIN
            if option in self.barred:
                sign, tone = "(-)", Tone.UNAVAILABLE
            parts.append(span(f" {sign} {option}  ", tone))
        return (tuple(parts),)

    def action_move(self, by: int) -> None:
        free = [option for option in self.options if option not in self.barred]
        self.value = free[(free.index(self.value) + by) % len(free)]
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        x = 0
        for option in self.options:
            x += len(f" ( ) {option}  ")
            if event.x < x:
                if option != self.value and option not in self.barred:
                    self.value = option
                    self.post_message(self.Changed(self))
                return

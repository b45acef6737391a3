"""One thing that an operator can do, as the footer, help and palette show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """`name` is stable (a keymap may refer to it); `key` in Textual's spelling.

    `screens` are the `NAME`s of the screens that offer it; empty means everywhere.
    `in_footer` is False for what the help and the palette are enough for.
    """

    name: str
    key: str
    label: str
    help: str
    screens: tuple[str, ...] = ()
    in_footer: bool = True

    @property
    def shown_key(self) -> str:
        """The key as it stands in the footer."""
        return _SHOWN.get(self.key, self.key.replace("ctrl+", "^"))

    def offered_on(self, screen: str) -> bool:
        return not self.screens or screen in self.screens


_SHOWN = {
    "question_mark": "?",
    "slash": "/",
    "enter": "enter",
    "escape": "esc",
    "plus": "+",
    "minus": "-",
}

"""The last gate before the terminal: nothing that a terminal obeys passes it.

No widget of Textual's filters control characters, so a machine's name could set the
operator's clipboard. Views make text visible where they take it in, which keeps
widths right; this filter holds for everything that anybody forgot.
"""

from functools import lru_cache

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from vmsnap_tui.text import VISIBLE
from vmsnap_tui.tui.glyphs import ASCII, BORDERS, UNICODE

_REPLACED: dict[str, str] = (
    BORDERS
    | {
        getattr(UNICODE, name): getattr(ASCII, name)
        for name in reversed(UNICODE.__slots__)
        if len(getattr(UNICODE, name)) == 1
    }
    | dict(zip(UNICODE.sparks, ASCII.sparks, strict=True))
)


class SafeFilter(LineFilter):
    """Make what a terminal would act on visible, and encode what it cannot show.

    Where the terminal has no UTF-8, Python would write `\\u2594` in six cells and
    tear the screen: such a character becomes a plain one of the same width.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding
        self._made_safe = lru_cache(4096)(self._make_safe)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii() and segment.text.isprintable()
            else Segment(self._made_safe(segment.text), segment.style)
            for segment in segments
        ]

    def _make_safe(self, text: str) -> str:
        shown = text.translate(VISIBLE)
        try:
            shown.encode(self._encoding)
        except UnicodeEncodeError:
            return "".join(self._plain(character) for character in shown)
        return shown

    def _plain(self, character: str) -> str:
        try:
            character.encode(self._encoding)
        except UnicodeEncodeError:
            return _REPLACED.get(character, "?")
        return character

"""Draw lines of spans in the theme's colours, cell by cell.

Wide characters count two cells; a line is cut with the glyph for it, never wrapped.
"""

from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from vmsnap_tui.tui.view.spans import Line, Span, Tone

_BOLD = frozenset({Tone.STRONG, Tone.ALARM})


def tone_style(widget: Widget, tone: Tone) -> Style:
    """What the theme in use makes of a tone."""
    if tone is Tone.PLAIN:
        return Style.null()
    return _parsed(widget.app.theme_variables[tone.value], tone in _BOLD)


def cursor_style(widget: Widget, *, focused: bool) -> Style:
    """The row under the cursor: always told by more than a colour."""
    variables = widget.app.theme_variables
    if focused:
        return _parsed_pair(
            variables["cursor-foreground"], variables["cursor-background"]
        )
    back = Color.parse(variables["cursor-blurred"]).rich_color
    return Style(bgcolor=back, bold=True)


@lru_cache(256)
def _parsed(colour: str, bold: bool) -> Style:
    return Style(color=Color.parse(colour).rich_color, bold=bold or None)


@lru_cache(16)
def _parsed_pair(front: str, back: str) -> Style:
    return Style(
        color=Color.parse(front).rich_color, bgcolor=Color.parse(back).rich_color
    )


def width_of(parts: Line) -> int:
    """How many cells the line takes."""
    return sum(cell_len(part.text) for part in parts)


def fitted(parts: Line, width: int, *, right: bool = False, cut: str = "…") -> Line:
    """The line in exactly `width` cells: padded, or cut with the sign for it."""
    room = width
    kept: list[Span] = []
    for part in parts:
        cells = cell_len(part.text)
        if not cells:
            continue
        if cells > room:
            if width > 0:
                kept = _cut(kept, part, room, cut)
            room = 0
            break
        kept.append(part)
        room -= cells
    if room:
        padding = Span(" " * room)
        kept = [padding, *kept] if right else [*kept, padding]
    return tuple(kept)


def _cut(kept: list[Span], part: Span, room: int, cut: str) -> list[Span]:
    """The last part shortened so that it ends in the sign for a cut."""
    if room > 0:
        text = set_cell_size(part.text, room - 1) + cut
        return [*kept, Span(text, part.tone)]
    if kept:
        last = kept[-1]
        text = set_cell_size(last.text, cell_len(last.text) - 1) + cut
        return [*kept[:-1], Span(text, last.tone)]
    return kept


def strip_of(
    widget: Widget, parts: Line, width: int, base: Style, *, keep_tones: bool = True
) -> Strip:
    """The line as a strip of exactly `width` cells over a base style.

    Under the cursor tones are dropped: the colours of both would not be readable.
    """
    segments = [
        Segment(p.text, base + tone_style(widget, p.tone) if keep_tones else base)
        for p in fitted(parts, width)
        if p.text
    ]
    return Strip(segments, width)


def content_of(*lines: Line) -> Content:
    """The lines for a `Static`: text is never read as markup."""
    parts: list[Content | str | tuple[str, str]] = []
    for number, parts_of_line in enumerate(lines):
        if number:
            parts.append("\n")
        parts.extend(_styled(part) for part in parts_of_line)
    return Content.assemble(*parts)


def _styled(part: Span) -> tuple[str, str]:
    bold = " bold" if part.tone in _BOLD else ""
    return part.text, f"${part.tone.value}{bold}" if part.tone else ""

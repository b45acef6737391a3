"""Text that keeps its indent when it wraps, at any width of the terminal.

Everything that comes from machines, files and errors enters through `said`: as
text, with what a terminal would act on made visible.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.cells import cell_len

from vmsnap_tui.tui.view.spans import Line, Span, Tone, plain, span

_NARROWEST = 16
"""Columns that a body keeps, whatever its lead takes."""

_WORD = re.compile(r"\S+\s*|\s+")


def said(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """Any text as a part of a line; nothing for an empty text."""
    return (span(text, tone),) if text else ()


def joined(parts: Iterable[Line], between: str = "  ") -> Line:
    """The parts that are not empty, side by side."""
    kept = [part for part in parts if part]
    gap = (Span(between, Tone.MUTED),)
    return sum(((gap if n else ()) + part for n, part in enumerate(kept)), ())


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A lead and a body; the body's further lines stand under its first."""

    lead: Line
    body: Line = ()

    def lines(self, width: int) -> tuple[Line, ...]:
        indent = cell_len(plain(self.lead))
        room = max(width - indent, _NARROWEST)
        blank = (Span(" " * indent),)
        wrapped = wrap(self.body, room)
        return tuple((blank if n else self.lead) + p for n, p in enumerate(wrapped))


BLANK = Paragraph(())
Page = tuple[Paragraph, ...]


def lay_out(page: Iterable[Paragraph], width: int) -> tuple[Line, ...]:
    """The paragraphs under each other, at most `width` cells wide."""
    return tuple(line for part in page for line in part.lines(width))


def builder(page: Iterable[Paragraph]) -> Callable[[int], tuple[Line, ...]]:
    """The page as something that a pane of lines calls with its width."""
    kept = tuple(page)
    return lambda width: lay_out(kept, width)


def as_text(page: Iterable[Paragraph], width: int = 80) -> str:
    """What a reader sees, without tones."""
    return "\n".join(plain(line).rstrip() for line in lay_out(page, width))


def labelled(label: str, body: Line, width: int = 14) -> Paragraph:
    """A paragraph behind a muted label of fixed width."""
    lead = f" {label} ".ljust(width)
    return Paragraph(said(lead, Tone.MUTED), body)


def warning(text: str) -> Paragraph:
    """One sentence that the operator must not miss."""
    return Paragraph(said(" △ ", Tone.CAUTION), said(text, Tone.CAUTION))


def heading(text: str) -> Paragraph:
    return Paragraph((Span(" "),), said(text, Tone.STRONG))


def clipped_to(body: Line, room: int) -> Line:
    """The line in at most `room` cells, with `…` where it was cut."""
    text = plain(body)
    if cell_len(text) <= room:
        return body
    fits = _fitting(text, max(room - 1, 1))
    return _cut(body, 0, fits) + (Span("…", Tone.MUTED),)


def spread(left: Line, right: Line, width: int) -> Line:
    """One line with a part at either side; the left one is cut where they meet."""
    room = max(width - cell_len(plain(right)) - 1, 1)
    kept = clipped_to(left, room)
    gap = width - cell_len(plain(kept)) - cell_len(plain(right))
    return (*kept, Span(" " * max(gap, 1)), *right)


def wrap(body: Line, room: int) -> list[Line]:
    """The line broken between words; a word longer than the room is broken too."""
    lines = [_cut(body, start, end) for start, end in _breaks(plain(body), room)]
    return lines or [()]


def _breaks(text: str, room: int) -> list[tuple[int, int]]:
    """Where each line begins and ends, without the blanks it was broken at."""
    found: list[tuple[int, int]] = []
    start, used = 0, 0
    for word in _WORD.finditer(text):
        cells = cell_len(word[0])
        if used and used + cell_len(word[0].rstrip()) > room:
            found.append((start, start + len(text[start : word.start()].rstrip())))
            start, used = word.start(), 0
        used += cells
        while used > room and cell_len(text[start : word.end()].rstrip()) > room:
            fits = _fitting(text[start : word.end()], room)
            slash = text.rfind("/", start, start + fits) + 1 - start
            fits = slash if slash > fits // 2 else fits
            found.append((start, start + fits))
            start += fits
            used = cell_len(text[start : word.end()])
    if start < len(text):
        found.append((start, len(text)))
    return found


def _fitting(text: str, room: int) -> int:
    """How many characters fit; at least one, so that every line gets on."""
    used = 0
    for count, character in enumerate(text):
        used += cell_len(character)
        if used > room:
            return max(count, 1)
    return len(text)


def _cut(body: Line, start: int, end: int) -> Line:
    """The characters from `start` to `end`, each with its tone."""
    parts: list[Span] = []
    offset = 0
    for part in body:
        low, high = max(start - offset, 0), max(end - offset, 0)
        if piece := part.text[low:high]:
            parts.append(Span(piece, part.tone))
        offset += len(part.text)
    return tuple(parts)

"""Lines of text with a tone for every part: what a view hands to a widget.

A tone is the name of a theme variable; what it looks like is the theme's business.
"""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from vmsnap_tui.text import visible


class Tone(StrEnum):
    PLAIN = ""
    MUTED = "muted"
    STRONG = "strong"
    ACCENT = "accent"
    GOOD = "good"
    JOB = "job-running"
    WAITING = "job-waiting"
    FROZEN = "frozen"
    STALE = "stale"
    CAUTION = "caution"
    ALARM = "alarm"
    UNAVAILABLE = "unavailable"
    REST = "bar-rest"
    RULE = "rule"


class Span(NamedTuple):
    text: str
    tone: Tone = Tone.PLAIN


Line: TypeAlias = tuple[Span, ...]

BLANK: Line = ()


def span(text: str, tone: Tone = Tone.PLAIN) -> Span:
    """A part of a line from any text: what a terminal would obey is made visible."""
    return Span(visible(text), tone)


def line(*parts: str | Span) -> Line:
    """One line of parts; plain strings pass `span`."""
    return tuple(p if isinstance(p, Span) else span(p) for p in parts)


def plain(parts: Line) -> str:
    """The line without its tones."""
    return "".join(part.text for part in parts)

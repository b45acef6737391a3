"""Signs of one cell each, for terminals with UTF-8 and for those without.

A sign never stands alone: the word beside it says the same.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    running: str
    off: str
    paused: str
    alarm: str
    caution: str
    stale: str
    frozen: str
    job: str
    changed: str
    """Before the bytes that changed since the last point."""
    opened: str
    active: str
    rule: str
    vertical: str
    bar_done: str
    bar_rest: str
    sparks: str
    """From nothing to most, eight levels."""
    full_point: str
    increment_point: str
    good: str
    bad: str
    ellipsis: str
    marked: str
    unmarked: str
    branch: str
    ascending: str
    descending: str
    dot: str
    """Between parts of a line, and before what is still to come."""
    leads_to: str
    undoing: str
    undone: str


UNICODE = Glyphs(
    running="●",
    off="○",
    paused="◐",
    alarm="▲",
    caution="△",
    stale="◌",
    frozen="■",
    job="●",
    changed="Δ",
    opened="▾",
    active="▸",
    rule="─",
    vertical="│",
    bar_done="━",
    bar_rest="─",
    sparks="▁▂▃▄▅▆▇█",
    full_point="●",
    increment_point="○",
    good="✓",
    bad="✗",
    ellipsis="…",
    marked="✓",
    unmarked=" ",
    branch="└",
    ascending="↑",
    descending="↓",
    dot="·",
    leads_to="→",
    undoing="◂",
    undone="↶",
)

ASCII = Glyphs(
    running="*",
    off="o",
    paused="=",
    alarm="!",
    caution="?",
    stale="~",
    frozen="#",
    job="*",
    changed="d",
    opened="v",
    active=">",
    rule="-",
    vertical="|",
    bar_done="#",
    bar_rest=".",
    sparks="_.:-=+*#",
    full_point="#",
    increment_point="+",
    good="+",
    bad="x",
    ellipsis="~",
    marked="x",
    unmarked=" ",
    branch="`",
    ascending="^",
    descending="v",
    dot="-",
    leads_to=">",
    undoing="<",
    undone="u",
)


BORDERS = {
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
    **dict.fromkeys("│┃▏▕▌▐", "|"),
    **dict.fromkeys("─━▔▁▄▀", "-"),
    **dict.fromkeys("·•", "-"),
    "→": ">",
    "“": '"',
    "”": '"',
}
"""What borders and texts are drawn with, for terminals without UTF-8."""


def glyphs_for(encoding: str) -> Glyphs:
    """The set that a terminal with this encoding can show."""
    every = "".join(str(getattr(UNICODE, name)) for name in UNICODE.__slots__)
    try:
        every.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE

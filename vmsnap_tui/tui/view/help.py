"""The help: keys, signs and where to read more."""

import textwrap

from vmsnap_tui.tui.action import Action
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.spans import BLANK, Line, Tone, line, span

_KEY_CELLS = 8
_LABEL_CELLS = 12


def help_lines(
    actions: tuple[Action, ...], glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """One entry an action, then what the signs mean."""
    lines: list[Line] = [line(span("Keys here", Tone.STRONG)), BLANK]
    for action in actions:
        lines.extend(_action_lines(action, width))
    lines += [BLANK, line(span("In lists", Tone.STRONG)), BLANK]
    lines.append(_entry("arrows", "or k, page up and down, home, end, the mouse"))
    lines += [BLANK, line(span("Signs", Tone.STRONG)), BLANK]
    for sign, meaning in _signs(glyphs):
        lines.append(_entry(sign, meaning))
    return tuple(lines)


def _action_lines(action: Action, width: int) -> list[Line]:
    room = max(width - _KEY_CELLS - _LABEL_CELLS - 1, 20)
    parts = textwrap.wrap(action.help, room)
    first = line(
        span(action.shown_key.rjust(_KEY_CELLS - 1) + " ", Tone.ACCENT),
        span(action.label.ljust(_LABEL_CELLS), Tone.STRONG),
        span(parts[0]),
    )
    indent = " " * (_KEY_CELLS + _LABEL_CELLS)
    return [first, *(line(indent, part) for part in parts[1:])]


def _entry(sign: str, meaning: str) -> Line:
    return line(span(sign.rjust(_KEY_CELLS - 1) + " ", Tone.ACCENT), meaning)


def _signs(glyphs: Glyphs) -> tuple[tuple[str, str], ...]:
    return (
        (glyphs.running, "running, a job, or a full point"),
        (glyphs.off, "off, or a point that holds only what changed"),
        (glyphs.paused, "paused"),
        (glyphs.alarm, "an alarm: look at it first"),
        (glyphs.stale, "stale: the connection is lost, this is what was read last"),
        (glyphs.changed, "bytes that the guest wrote since the last point"),
        (glyphs.active, "the active image, which takes the writes"),
    )

"""The help: keys, signs and where to read more."""

import textwrap

from vmsnap_tui.tui.action import Action
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.spans import BLANK, Line, Span, Tone, line, span

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
    moving = "page up and down, home, end; the mouse does all of it too"
    lines.extend(_entry("arrows", moving, width))
    lines += [BLANK, line(span("Signs", Tone.STRONG)), BLANK]
    for sign, meaning in _signs(glyphs):
        lines.extend(_entry(sign, meaning, width))
    return tuple(lines)


def _action_lines(action: Action, width: int) -> list[Line]:
    label = span(action.label.ljust(_LABEL_CELLS), Tone.STRONG)
    return _hanging(action.shown_key, label, action.help, width)


def _entry(sign: str, meaning: str, width: int) -> list[Line]:
    return _hanging(sign, span(""), meaning, width)


def _hanging(key: str, label: Span, text: str, width: int) -> list[Line]:
    """Key and label, and the text beside them over as many lines as it takes."""
    indent = _KEY_CELLS + len(label.text)
    first, *rest = textwrap.wrap(text, max(width - indent, 20))
    head = line(span(key.rjust(_KEY_CELLS - 1) + " ", Tone.ACCENT), label, first)
    return [head, *(line(" " * indent, part) for part in rest)]


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

"""Make any text from a guest, a file or QEMU safe to show on a terminal.

A VM's name may hold escape sequences that set the clipboard or the title of
the operator's terminal, and bidirectional marks that show a name in another
order than it is stored. Everything shown passes `visible` once.
"""

_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_C1 = dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_INVISIBLE = dict.fromkeys(
    [
        0x00AD,
        0x061C,
        0x180E,
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        *range(0xFFF9, 0xFFFC),
    ],
    0xFFFD,
)
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)

VISIBLE = _PICTURES | _C1 | _INVISIBLE | _SURROGATES
"""Translation table: control, C1, bidirectional, zero-width and undecodable
characters become one visible character each, so widths stay what they look."""


def visible(text: str) -> str:
    """The text with every character that a terminal would act on made visible."""
    return text.translate(VISIBLE)


def clipped(text: str, width: int) -> str:
    """`visible(text)` in at most `width` characters, with `…` where it was cut."""
    shown = visible(text)
    return shown if len(shown) <= width else shown[: max(width - 1, 0)] + "…"

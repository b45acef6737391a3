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
        0x034F,
        0x061C,
        0x115F,
        0x1160,
        *range(0x180B, 0x1810),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0x3164,
        0xFEFF,
        0xFFA0,
        *range(0xFFF9, 0xFFFC),
        *range(0x1BCA0, 0x1BCA4),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE0080),
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
    if len(shown) <= width:
        return shown
    return shown[: width - 1] + "…" if width > 0 else ""

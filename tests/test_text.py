"""What a guest, a file or QEMU says reaches a terminal as characters, never as
commands to it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.text import clipped, visible

REPLACED = "\ufffd"


@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_a_control_character_becomes_its_picture(code: int) -> None:
    picture = visible(chr(code))
    assert unicodedata.name(picture).startswith("SYMBOL FOR ")
    assert len(picture) == 1


def test_control_characters_are_told_apart() -> None:
    assert visible("\x00\t\n\x1b\x7f") == "␀␉␊␛␡"
    assert visible("\x1b]52;c;Zm9v\x07") == "␛]52;c;Zm9v␇"


@pytest.mark.parametrize("code", range(0x80, 0xA0))
def test_c1_is_taken_out(code: int) -> None:
    """0x9B alone begins an escape sequence on some terminals."""
    assert visible(chr(code)) == REPLACED


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("mark", BIDI, ids=ascii)
def test_marks_that_turn_the_order_are_taken_out(mark: str) -> None:
    assert visible(f"a{mark}b") == f"a{REPLACED}b"


INVISIBLE = "\u00ad\u034f\u180e\u200b\u200c\u200d\u2028\u2029\u2060\ufeff\ufff9\ufffb"
HIDDEN_TEXT = "\U000e0001\U000e0041\U000e007f"
BLANKS = "\u115f\u1160\u3164\uffa0"


@pytest.mark.parametrize("mark", INVISIBLE + HIDDEN_TEXT + BLANKS, ids=ascii)
def test_what_cannot_be_seen_is_shown_to_be_there(mark: str) -> None:
    """Else two names look like one."""
    assert visible(f"web{mark}-01") == f"web{REPLACED}-01"


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDC80, 0xDCFF, 0xDFFF])
def test_bytes_that_are_no_text_can_be_printed(code: int) -> None:
    shown = visible(f"/images/{chr(code)}.qcow2")
    assert shown == f"/images/{REPLACED}.qcow2"
    assert shown.encode()


@pytest.mark.parametrize(
    "text", ["web-01", "büro 42", "データ", "[bold]x[/]", "-rf", "$(reboot)", "🖴", ""]
)
def test_what_does_no_harm_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_no_character_of_a_commanding_kind_is_left() -> None:
    """Of all of Unicode; the ones below are signs that can be seen."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    visible_signs = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
    left = {
        char
        for char in map(chr, range(0x110000))
        if unicodedata.category(visible(char)) in kinds
    }
    seen = {c for c in left if unicodedata.name(c, "").startswith(("ARABIC", "SYRIAC"))}
    seen |= {c for c in left if unicodedata.name(c, "").startswith(("KAITHI", "EGYPT"))}
    assert {ascii(char) for char in left - seen} == set()
    assert visible_signs <= seen


@given(st.text(max_size=200))
def test_each_character_becomes_one(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert visible(shown) == shown
    assert "\n" not in shown


@given(st.text(max_size=60), st.integers(-1, 70))
def test_what_is_clipped_fits(text: str, width: int) -> None:
    shown = clipped(text, width)
    assert len(shown) <= max(width, 0)
    if len(text) <= width:
        assert shown == visible(text)
    elif width > 0:
        assert shown == visible(text)[: width - 1] + "…"

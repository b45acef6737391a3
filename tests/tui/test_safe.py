"""Nothing that a terminal obeys passes the filter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from textual.color import Color

from vmsnap_tui.tui.safe import SafeFilter

_BLACK = Color(0, 0, 0)


def shown(text: str, encoding: str = "utf-8") -> str:
    segments = SafeFilter(encoding).apply([Segment(text)], _BLACK)
    return "".join(segment.text for segment in segments)


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;title\x07",
        "\x1b]52;c;aGk=\x07",
        "\x9b31m",
        "a\u202eb",
        "one\ntwo\tthree",
        "\x7f",
    ],
)
def test_control_sequences_become_visible(hostile: str) -> None:
    assert shown(hostile).isprintable()


def test_plain_text_and_our_own_signs_stay() -> None:
    assert shown("web-01 ● ━━── Δ") == "web-01 ● ━━── Δ"


def test_signs_become_their_plain_ones_where_there_is_no_utf_8() -> None:
    assert shown("● a━─…", "ascii") == "* a#-~"


@given(st.text(max_size=40))
def test_any_text_can_be_written_and_obeys_nobody(text: str) -> None:
    made_safe = shown(text, "latin-1")
    made_safe.encode("latin-1")
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in made_safe)

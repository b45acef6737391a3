"""Text keeps its indent, its tones and its width when it wraps."""

from hypothesis import given
from hypothesis import strategies as some
from rich.cells import cell_len

from vmsnap_tui.tui.view.paragraphs import (
    Paragraph,
    as_text,
    clipped_to,
    joined,
    labelled,
    lay_out,
    said,
    spread,
    wrap,
)
from vmsnap_tui.tui.view.spans import Span, Tone, plain


def test_further_lines_stand_under_the_first() -> None:
    page = [labelled("guest", said("its writes wait while it is frozen"), width=10)]
    assert as_text(page, 31) == (
        " guest    its writes wait while\n          it is frozen"
    )


def test_a_break_keeps_the_tone_of_every_part() -> None:
    body = (*said("one two "), *said("three four", Tone.GOOD))
    assert wrap(body, 9) == [
        (Span("one two"),),
        (Span("three", Tone.GOOD),),
        (Span("four", Tone.GOOD),),
    ]


def test_a_word_longer_than_the_line_is_broken_and_nothing_is_lost() -> None:
    digest = "0123456789" * 4
    lines = wrap(said(digest), 16)
    assert "".join(plain(line) for line in lines) == digest
    assert max(cell_len(plain(line)) for line in lines) == 16


def test_a_path_longer_than_the_line_is_broken_behind_a_slash() -> None:
    lines = wrap(said("/var/spool/vmsnap/vms/web-01/points"), 24)
    assert [plain(line) for line in lines] == [
        "/var/spool/vmsnap/vms/",
        "web-01/points",
    ]


def test_an_empty_paragraph_is_one_empty_line() -> None:
    assert lay_out([Paragraph(())], 20) == ((),)


def test_parts_that_are_empty_leave_no_gap() -> None:
    assert plain(joined([said("a"), (), said("b")], " · ")) == "a · b"


def test_what_a_terminal_would_obey_is_visible() -> None:
    assert plain(said("web\x1b]52;c;x\x07")) == "web␛]52;c;x␇"


def test_a_line_that_is_cut_says_so() -> None:
    assert plain(clipped_to(said("0123456789"), 6)) == "01234…"


def test_both_sides_of_a_line_are_kept_whole_or_the_left_is_cut() -> None:
    assert plain(spread(said("step"), said("4 ms"), 12)) == "step    4 ms"
    assert plain(spread(said("a long step"), said("4 ms"), 12)) == "a long… 4 ms"


@given(some.text(max_size=200), some.integers(min_value=16, max_value=100))
def test_no_line_is_wider_than_the_room_and_no_word_is_lost(
    text: str, room: int
) -> None:
    lines = [plain(line) for line in wrap(said(text), room)]
    assert all(cell_len(line) <= room for line in lines)
    shown = plain(said(text))
    assert "".join("".join(lines).split()) == "".join(shown.split())

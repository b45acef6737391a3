"""Lines of text with tones."""

from vmsnap_tui.tui.view.spans import Span, Tone, line, plain, span


def test_text_is_made_visible_where_it_comes_in() -> None:
    assert span("a\x1b[31mb").text == "a␛[31mb"
    assert plain(line("x\ny", Span("z", Tone.ALARM))) == "x␊yz"


def test_a_tone_is_the_name_of_a_theme_variable() -> None:
    assert Tone.PLAIN.value == ""
    assert Tone.JOB.value == "job-running"

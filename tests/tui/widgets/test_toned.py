"""Lines of spans, cell by cell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.tui.view.spans import Span, Tone, line, plain, span
from vmsnap_tui.tui.widgets.toned import content_of, fitted, width_of


def test_a_line_is_padded_on_the_side_that_is_asked_for() -> None:
    assert plain(fitted(line("ab"), 4)) == "ab  "
    assert plain(fitted(line("ab"), 4, right=True)) == "  ab"


def test_a_cut_is_shown() -> None:
    assert plain(fitted(line("abc", "def"), 5)) == "abcd…"
    assert plain(fitted(line("abc", "def"), 3)) == "ab…"
    assert plain(fitted(line("abc"), 0)) == ""


@given(
    st.lists(st.text(max_size=12), max_size=4), st.integers(min_value=1, max_value=30)
)
def test_any_text_takes_exactly_the_width(parts: list[str], width: int) -> None:
    assert width_of(fitted(line(*parts), width)) == width


@pytest.mark.parametrize("text", ["[/x]", "[red]a[/red]", "[@click=app.quit]q[/]"])
def test_content_is_never_markup(text: str) -> None:
    shown = content_of(line(text), (Span("b", Tone.ALARM),))
    assert shown.plain == f"{text}\nb"
    assert all("alarm" in str(each.style) for each in shown.spans)
    assert span(text).text == text

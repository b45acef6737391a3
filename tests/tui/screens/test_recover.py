"""What recovering means."""

from vmsnap_tui.tui.observed import Interrupted
from vmsnap_tui.tui.screens.recover import recover_question
from vmsnap_tui.tui.view.spans import plain

_LEFT = Interrupted(
    "k", "backup web-01", "web-01", "2026-11-20T03:00:00.000Z", "goes on", False, "me"
)


def test_it_says_since_when_and_what_will_be_done() -> None:
    asked = recover_question(_LEFT, 1)
    text = " ".join(plain(each) for each in asked.lines)
    assert "backup web-01" in asked.title
    assert "2026-11-20 03:00 UTC" in text
    assert "It goes on." in text
    assert "more after" not in text


def test_others_are_announced() -> None:
    text = " ".join(plain(each) for each in recover_question(_LEFT, 3).lines)
    assert "2 more after this one." in text

"""How an action says its key and where it is offered."""

import pytest

from vmsnap_tui.tui.action import Action


@pytest.mark.parametrize(
    ("key", "shown"),
    [("b", "b"), ("question_mark", "?"), ("ctrl+p", "^p"), ("escape", "esc")],
)
def test_keys_are_shown_as_they_are_typed(key: str, shown: str) -> None:
    assert Action("x", key, "X", "Does x.").shown_key == shown


def test_an_action_without_screens_is_offered_everywhere() -> None:
    assert Action("help", "h", "Help", "Helps.").offered_on("anything")
    assert not Action("x", "x", "X", "Xes.", ("home",)).offered_on("jobs")

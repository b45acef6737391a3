"""The help is read from the registry."""

import pytest

from vmsnap_tui.tui.actions import actions_of
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.view.help import help_lines
from vmsnap_tui.tui.view.spans import plain


@pytest.mark.parametrize("screen", ["home", "vm", "jobs", "events"])
@pytest.mark.parametrize("width", [60, 76, 116])
def test_every_action_of_the_screen_is_explained(screen: str, width: int) -> None:
    lines = [plain(each) for each in help_lines(actions_of(screen), UNICODE, width)]
    said = " ".join(" ".join(lines).split())
    for action in actions_of(screen):
        assert action.label in said
        assert action.help in said
    assert all(len(each) <= width for each in lines)

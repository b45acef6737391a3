"""Every screen of operations can be left, and what it does has a key."""

import pytest

from vmsnap_tui.tui.actions_operations import OPERATIONS

_SCREENS = sorted({name for action in OPERATIONS for name in action.screens})


@pytest.mark.parametrize(
    "screen",
    [name for name in _SCREENS if name not in ("home", "vm", "jobs")],
)
def test_escape_leaves(screen: str) -> None:
    keys = {a.key: a.name for a in OPERATIONS if a.offered_on(screen)}
    assert keys["escape"] == "leave"


def test_no_action_is_offered_everywhere() -> None:
    assert all(action.screens for action in OPERATIONS)

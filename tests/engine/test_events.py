"""Events are values that say how things stand, also when a connection is lost."""

from typing import get_args

import pytest

from tests.plan.material import a_vm
from vmsnap_tui.backends.base import Link, WireHeard
from vmsnap_tui.engine.events import (
    ConnectionView,
    EngineEvent,
    FleetChanged,
    JobsMoved,
    Outcome,
    RunEnded,
    RunEvent,
    RunProgressed,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)


@pytest.mark.parametrize(("link", "stale"), [(Link.UP, False), (Link.DOWN, True)])
def test_what_is_not_fresh_is_marked_and_not_dropped(link: Link, stale: bool) -> None:
    view = ConnectionView("qmp:///s", link, "refused", (a_vm(),))
    assert view.stale is stale
    assert view.vms == (a_vm(),)


def test_a_connection_that_is_being_made_shows_nothing_as_fresh() -> None:
    assert ConnectionView("qmp:///s", Link.CONNECTING).stale


def test_outcomes_are_words_that_scripts_hold() -> None:
    assert [*Outcome] == ["done", "failed-and-undone", "unknown", "stuck"]


def test_a_run_is_told_from_its_start_to_its_end() -> None:
    assert get_args(RunEvent) == (
        RunStarted,
        StepStarted,
        StepEnded,
        RunProgressed,
        RunEnded,
    )
    assert set(get_args(EngineEvent)) == {
        FleetChanged,
        JobsMoved,
        WireHeard,
        *get_args(RunEvent),
    }


def test_results_share_nothing_that_can_be_changed() -> None:
    one = RunResult("a", Outcome.DONE, "t", "vm")
    other = RunResult("a", Outcome.DONE, "t", "vm")
    one.details["serial"] = "1"
    assert other.details == {}

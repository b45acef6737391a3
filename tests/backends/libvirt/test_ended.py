from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from vmsnap_tui.backends.libvirt.ended import Ended, Hearing, Traces, judge

URI = "urn:vmsnap-tui:p1-scratch"
WELL = {"operation": 9, "time_elapsed": 42_000, "success": True}
FAILED = {"operation": 9, "success": False, "errmsg": "No space left on device"}
SAVED = {"operation": 2, "success": False}


def told(*events: Mapping[str, Any] | None, marks: int = 2) -> Hearing:
    """A hearing that wrote its marks; None is the change of one."""
    hearing = Hearing(URI, "uuid")
    hearing.begin()
    hearing.sure = True
    for _ in range(marks):
        hearing.wrote()
    for event in events:
        if event is None:
            hearing.hear("metadata-change", {"uri": URI})
        else:
            hearing.hear("job-completed", event)
    return hearing


@pytest.mark.parametrize(
    ("events", "ended"),
    [
        ((None, WELL, None), Ended.WELL),
        ((None, SAVED, WELL, None), Ended.WELL),
        ((None, FAILED, None), Ended.BADLY),
        ((None, FAILED, WELL, None), Ended.BADLY),
        ((None, WELL, FAILED, None), Ended.BADLY),
        ((None, None), Ended.UNKNOWN),
        ((None, SAVED, None), Ended.UNKNOWN),
        ((WELL, None, None), Ended.UNKNOWN),
        ((FAILED, None, WELL, None), Ended.WELL),
        ((None, WELL), Ended.UNKNOWN),
    ],
)
def test_all_ends_between_the_marks_must_be_good(
    events: tuple[Mapping[str, Any] | None, ...], ended: Ended
) -> None:
    assert told(*events).verdict().ended is ended


def test_marks_of_others_are_none_of_ours() -> None:
    hearing = told(None, WELL)
    hearing.hear("metadata-change", {"uri": "urn:vmsnap-tui:another"})
    assert hearing.behind
    assert hearing.verdict().ended is Ended.UNKNOWN


def test_what_was_missed_is_no_success() -> None:
    hearing = told(None, WELL, None)
    hearing.lose()
    assert hearing.verdict().ended is Ended.UNKNOWN
    assert not hearing.behind


def test_a_backup_that_was_not_seen_after_the_first_mark_is_no_success() -> None:
    """It may have ended before, and what was heard is another's."""
    hearing = told(None, WELL, None)
    hearing.sure = False
    assert hearing.verdict().ended is Ended.UNKNOWN


def test_beginning_anew_forgets_what_was_heard() -> None:
    hearing = told(None, FAILED, None)
    hearing.begin()
    assert not hearing.sure
    assert not hearing.caught_up
    assert hearing.verdict().ended is Ended.UNKNOWN


SOON = Traces(WELL, began_s=1000.0, written_s=1042.0, now_s=1043.0, newest=True)
LATE = replace(SOON, now_s=9000.0)


@pytest.mark.parametrize(
    ("traces", "ended"),
    [
        (SOON, Ended.WELL),
        (LATE, Ended.WELL),
        (replace(SOON, stats={}), Ended.UNKNOWN),
        (replace(SOON, stats=SAVED), Ended.UNKNOWN),
        (replace(SOON, stats=FAILED), Ended.BADLY),
        (replace(LATE, newest=False), Ended.UNKNOWN),
        (replace(LATE, began_s=None), Ended.UNKNOWN),
        (replace(LATE, began_s=990.0), Ended.UNKNOWN),
        (replace(LATE, stats=WELL | {"time_elapsed": 50}), Ended.UNKNOWN),
        (replace(SOON, began_s=None, newest=False), Ended.WELL),
    ],
    ids=[
        "no other job fits into the time since",
        "as long as ours to the second",
        "libvirt knows of no job",
        "the newest job is no backup",
        "the newest backup failed",
        "another checkpoint was made since",
        "it is not on record when ours began",
        "of another length than ours",
        "too short to tell",
        "length alone can be proof",
    ],
)
def test_traces_are_proof_only_where_no_other_backup_can_have_left_them(
    traces: Traces, ended: Ended
) -> None:
    assert judge(traces).ended is ended


def test_the_reason_is_libvirts_own() -> None:
    assert judge(replace(SOON, stats=FAILED)).evidence == "No space left on device"
    assert told(None, FAILED, None).verdict().evidence == "No space left on device"
    silent = {"operation": 9, "success": False}
    assert "did not succeed" in judge(replace(SOON, stats=silent)).evidence

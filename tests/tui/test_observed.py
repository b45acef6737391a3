"""What the interface knows, and what it concludes from that."""

from vmsnap_tui.backends.base import Link, WireHeard
from vmsnap_tui.engine.events import (
    ConnectionView,
    Outcome,
    RunEnded,
    RunResult,
    RunStarted,
    StepEnded,
    StepStarted,
)
from vmsnap_tui.plan.steps import FreezeGuest, ThawGuest
from vmsnap_tui.tui.fixed_operations import KEY, OPERATION, backup_plan
from vmsnap_tui.tui.observed import HEARD_EVENTS, Interrupted, Observed, Records
from vmsnap_tui.tui.scenes import DB, WEB, jobs


def observed() -> Observed:
    up = ConnectionView("qmp:///a", Link.UP, "", (WEB,))
    down = ConnectionView("qmp:///b", Link.DOWN, "refused", (DB,))
    return Observed(fleet=(up, down))


def test_machines_are_found_by_key_wherever_they_are() -> None:
    seen = observed()
    assert seen.vm(DB.key) is DB
    assert seen.vm(None) is None
    found = seen.connection_of(DB.key)
    assert found is not None
    assert found.uri == "qmp:///b"
    assert seen.connection("qmp:///c") is None


def test_a_lost_connection_is_an_alarm() -> None:
    seen = observed()
    assert seen.alarm_count == 1
    seen.records = Records(alarms={WEB.key: ("crashed",)})
    assert seen.alarm_count == 2
    assert seen.alarms(WEB.key) == ("crashed",)


def test_jobs_of_all_machines_are_one_list() -> None:
    seen = observed()
    seen.jobs[WEB.key] = jobs()
    assert seen.all_jobs == jobs()


def test_an_operation_of_a_living_process_is_not_ours_to_recover() -> None:
    left = Interrupted("a", "backup", "web", "", "goes on", alive=False, owner="me")
    held = Interrupted("b", "backup", "web", "", "goes on", alive=True, owner="them")
    seen = Observed(records=Records(unfinished=(left, held)))
    assert seen.recoverable == (left,)


def test_events_never_take_more_memory() -> None:
    seen = observed()
    for number in range(HEARD_EVENTS + 5):
        seen.wire.append(WireHeard("vm", f"E{number}", {}, 0.0))
    assert len(seen.wire) == HEARD_EVENTS
    assert seen.wire[0].name == "E5"


def test_a_guest_is_frozen_from_its_freeze_to_its_thaw() -> None:
    plan, seen = backup_plan(), observed()
    freeze = next(n for n, s in enumerate(plan.steps) if isinstance(s, FreezeGuest))
    thaw = next(n for n, s in enumerate(plan.steps) if isinstance(s, ThawGuest))
    seen.note_run(RunStarted(OPERATION, plan))
    seen.note_run(StepStarted(OPERATION, freeze, False, ""))
    assert seen.alarms(KEY) == ("its file systems are frozen",)
    assert seen.alarm_count == 2
    seen.note_run(StepEnded(OPERATION, freeze, False, "", 0.1))
    assert KEY in seen.frozen
    seen.note_run(StepEnded(OPERATION, thaw, False, "", 0.1))
    assert KEY not in seen.frozen


def test_a_run_that_ended_or_undid_its_freeze_holds_nobody() -> None:
    plan, seen = backup_plan(), observed()
    freeze = next(n for n, s in enumerate(plan.steps) if isinstance(s, FreezeGuest))
    seen.note_run(RunStarted(OPERATION, plan))
    seen.note_run(StepStarted(OPERATION, freeze, False, ""))
    seen.note_run(StepEnded(OPERATION, freeze, True, "", 0.1))
    assert not seen.frozen
    seen.note_run(StepStarted(OPERATION, freeze, False, ""))
    result = RunResult(OPERATION, Outcome.UNDONE, "backup", "web-01")
    seen.note_run(RunEnded(OPERATION, result))
    assert not seen.frozen
    seen.note_run(StepStarted("unknown", 0, False, ""))
    assert not seen.frozen

"""What a preflight says of a form."""

from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.plan.requests import BackupRequest
from vmsnap_tui.tui.fixed_operations import KEY, backup_plan
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.verdict import error_rows, verdict_page


def test_while_the_answer_is_to_come_it_says_so() -> None:
    assert "looking" in as_text(verdict_page(None, None))


def test_a_plan_shows_its_room_and_its_warnings() -> None:
    plan = backup_plan(BackupRequest(vm=KEY))
    text = as_text(verdict_page(plan, None))
    assert text.startswith(" ✓ ready  at most")
    assert plan.warnings[0] in text


def test_a_refusal_shows_cause_evidence_and_remedy_in_place() -> None:
    refusal = PlanRefused("no room", evidence="1 GiB free", remedy="make room")
    text = as_text(verdict_page(None, refusal))
    assert text == " ✗ no room\n   1 GiB free\n   → make room"
    assert "what to do   make room" in as_text(error_rows(refusal))

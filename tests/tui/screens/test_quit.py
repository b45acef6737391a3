"""What leaving means while operations run."""

from vmsnap_tui.engine.runs import RunHandle
from vmsnap_tui.tui.fixed_operations import backup_plan
from vmsnap_tui.tui.screens.quit import quit_question
from vmsnap_tui.tui.view.spans import plain


async def test_it_says_what_goes_on_and_who_finishes_it() -> None:
    asked = quit_question((RunHandle(backup_plan()),))
    text = " ".join(plain(each) for each in asked.lines)
    assert asked.title == "1 operation runs. Leave?"
    assert "backup web-01" in text
    assert "go on in QEMU" in text
    assert "vmsnap-tui recover" in text


async def test_several_are_counted() -> None:
    runs = (RunHandle(backup_plan()), RunHandle(backup_plan()))
    assert quit_question(runs).title == "2 operations run. Leave?"

"""A plan says what happens, to what, and what it needs, before it happens."""

import json

from msgspec.structs import replace

from vmsnap_tui.plan.requests import BackupRequest, Level, RepairRequest
from vmsnap_tui.tui.fixed_ledgers import lost_metadata, repair_plan
from vmsnap_tui.tui.fixed_operations import (
    KEY,
    THIRD,
    backup_plan,
    restore_plan,
)
from vmsnap_tui.tui.view.paragraphs import as_text
from vmsnap_tui.tui.view.plan_text import (
    commands_page,
    commands_text,
    plan_page,
    room_line,
)
from vmsnap_tui.tui.view.spans import Tone


def test_every_step_is_numbered_and_the_point_of_no_return_is_marked() -> None:
    plan = backup_plan()
    lines = as_text(plan_page(plan), 200).splitlines()
    for number, step in enumerate(plan.steps, start=1):
        assert f" {number:>3}  {step.describe()}" in lines
    turn = next(n for n, line in enumerate(lines) if "only goes forward" in line)
    assert plan.steps[plan.commit_index].describe() in lines[turn + 1]
    assert plan.steps[plan.commit_index - 1].describe() in lines[turn - 1]


def test_each_disk_shows_its_level_reason_and_chain_before_and_after() -> None:
    text = as_text(plan_page(backup_plan()), 200)
    assert "vda          incremental  about 312 MiB  every write since" in text
    assert "/srv/vm/web-01.s1.qcow2 active → web-01.qcow2 base" in text
    assert f"+ disk-vda.qcow2 over ../{THIRD}/disk-vda.qcow2" in text


def test_a_restore_shows_the_files_it_reads_and_the_one_it_writes() -> None:
    text = as_text(plan_page(restore_plan()), 200)
    assert f"from       {THIRD}/disk-vda.qcow2 over" in text
    assert f"+ /root/web-01-{THIRD}/vda.qcow2" in text
    assert ".partial\n" in text


def test_a_repair_promises_no_room_and_no_way_back_that_it_does_not_have() -> None:
    plan = repair_plan(lost_metadata(), RepairRequest("web-01"))
    text = as_text(plan_page(plan), 200)
    assert "to write" not in text and "it is undone" not in text
    assert "nothing has to be taken back" in text
    assert "2 steps" in text
    one = replace(plan, steps=plan.steps[:1])
    assert "1 step\n" in as_text(plan_page(one), 200)


def test_what_an_operator_asks_is_answered() -> None:
    plan = backup_plan()
    text = " ".join(as_text(plan_page(plan)).split())
    for answer in (
        plan.guest_effect,
        plan.if_you_leave,
        plan.if_it_breaks,
        plan.afterwards,
    ):
        assert answer in text


def test_warnings_come_first() -> None:
    plan = backup_plan(BackupRequest(vm=KEY, level=Level.FULL))
    assert plan.warnings
    assert as_text(plan_page(plan)).startswith(f" △ {plan.warnings[0]}")


def test_too_little_room_is_an_alarm() -> None:
    plan = backup_plan()
    short = replace(plan.estimates, free_bytes=plan.estimates.bytes - 1)
    tones = {part.text: part.tone for part in room_line(short)}
    assert tones["only 3.34 GiB free"] is Tone.ALARM


def test_commands_stand_under_their_step_and_our_own_steps_say_so() -> None:
    plan = backup_plan()
    commands = (("one",), *((),) * (len(plan.steps) - 1))
    text = as_text(commands_page(plan, commands))
    assert "\n      one\n" in text
    assert text.count("done by vmsnap-tui itself") == len(plan.steps) - 1


def test_copied_commands_are_the_exact_lines_under_comments() -> None:
    plan = backup_plan()
    line = json.dumps({"execute": "transaction"})
    commands = ((line,), *((),) * (len(plan.steps) - 1))
    text = commands_text(plan, commands)
    told = [each for each in text.splitlines() if not each.startswith("#")]
    assert told == [line]

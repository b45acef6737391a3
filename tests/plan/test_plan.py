"""A plan is a value: what it prints, what it keeps, and that JSON changes nothing."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.material import (
    IDENTITY,
    a_bitmap,
    a_disk,
    a_point,
    a_shelf,
    a_vm,
    an_image,
    stored,
)
from vmsnap_tui.plan.backup import plan_backup
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, RestoreRequest
from vmsnap_tui.plan.restore import Ground, StoredPoint, plan_restore
from vmsnap_tui.plan.steps import CommitPoint, PreparePoint, ThawGuest

VM = a_vm(a_disk(an_image("base", a_bitmap())), a_disk(an_image("b"), target="vdb"))
BACKUP = plan_backup(
    VM, BackupRequest("web-01", quiesce=True), a_shelf(stored()), IDENTITY
)
RESTORE = plan_restore(
    StoredPoint(a_point(stored()), "/backup", {"vda": 5}, {"vda": ("/f",)}),
    RestoreRequest("p", "/to"),
    Ground("/to", frozenset(), 100),
    "1a2b3c4d5e6f",
)


@pytest.mark.parametrize("plan", [BACKUP, RESTORE], ids=["backup", "restore"])
def test_a_whole_plan_survives_json(plan: Plan) -> None:
    """The journal keeps it so, and a resumed run does what was approved."""
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@pytest.mark.parametrize("plan", [BACKUP, RESTORE], ids=["backup", "restore"])
def test_the_commit_lies_within_the_plan(plan: Plan) -> None:
    assert 0 < plan.commit_index < len(plan.steps)


def test_lines_are_numbered_as_an_operator_counts() -> None:
    assert RESTORE.lines() == (
        "1. check the sha256 of every file behind vda",
        "2. prepare /to",
        "3. write vda to /to/vda.qcow2.partial",
        "4. name them /to/vda.qcow2",
    )


def test_what_dry_run_prints_is_plain_json_with_the_steps_as_text() -> None:
    document = BACKUP.to_json()
    assert json.loads(json.dumps(document)) == json.loads(msgspec.json.encode(document))
    assert document["steps"] == list(BACKUP.lines())
    assert document["request"]["type"] == "backup"
    assert document["disks"][0]["level"] == "incremental"
    assert document["commit_index"] == BACKUP.commit_index


def test_a_plan_of_another_shape_is_not_taken_for_one() -> None:
    document = msgspec.to_builtins(BACKUP)
    document["steps"] += ({"step": "format-the-host"},)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Plan)


@given(name=st.text(st.characters(exclude_categories=["Cs"])), point=st.text("ab/."))
def test_no_name_breaks_a_plan_out_of_its_line_of_json(name: str, point: str) -> None:
    plan = Plan(
        operation="0",
        title=f"backup {name}",
        vm_name=name,
        vm=name,
        connection="",
        repository="",
        point=point,
        request=BackupRequest(name),
        steps=(PreparePoint(point), ThawGuest(name, name), CommitPoint(point)),
        commit_index=2,
    )
    data = msgspec.json.encode(plan)
    assert len(data.splitlines()) == 1
    assert msgspec.json.decode(data, type=Plan) == plan

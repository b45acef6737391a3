"""Lines of the forms' fields."""

from dataclasses import replace

import pytest

from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.vm import Agent, VmState
from vmsnap_tui.tui.fixed_operations import backup_plan, stored_points, web
from vmsnap_tui.tui.scenes_libvirt import BUILD, SHOP
from vmsnap_tui.tui.view.form_rows import (
    disk_line,
    disk_plan_line,
    impossible_line,
    machine_line,
    no_plan_line,
    planned,
    stored_disk_line,
    why_never,
    why_no_freeze,
)
from vmsnap_tui.tui.view.spans import plain


def test_a_disk_shows_target_and_size_and_what_would_happen() -> None:
    plan = backup_plan()
    would = planned(plan, "vda")
    assert would is not None
    assert plain(disk_line(web().disks[0])).split() == ["vda", "40.0", "GiB"]
    assert plain(disk_plan_line(would)) == "incremental  about 312 MiB"
    assert planned(plan, "ide1-cd0") is None
    assert planned(None, "vda") is None


def test_a_disk_without_a_medium_has_no_size() -> None:
    assert plain(disk_line(web().disks[2])).split() == ["ide1-cd0"]


def test_a_stored_disk_shows_the_size_that_the_guest_saw() -> None:
    disk = stored_points()[0].point.disks[0]
    assert plain(stored_disk_line(disk)).split() == ["vda", "40.0", "GiB"]


def test_a_disk_without_a_plan_says_whether_it_was_left_out() -> None:
    assert plain(no_plan_line(ticked=False)) == "left out"
    assert plain(no_plan_line(ticked=True)) != "left out"


@pytest.mark.parametrize(
    ("state", "agent", "reason"),
    [
        (VmState.RUNNING, Agent("/a", True), ""),
        (VmState.RUNNING, Agent("/a", None), ""),
        (VmState.RUNNING, Agent("/a", False), "the guest agent does not run"),
        (VmState.RUNNING, None, "the machine has no guest agent channel"),
        (VmState.PAUSED, Agent("/a", True), "the machine is paused"),
    ],
)
def test_why_a_guest_cannot_be_frozen(
    state: VmState, agent: Agent | None, reason: str
) -> None:
    vm = replace(web(), state=state, agent=agent)
    assert why_no_freeze(vm) == reason


def test_a_machine_is_told_by_state_agent_and_version() -> None:
    assert plain(machine_line(web())) == "running · agent ok · QEMU 10.0.2"
    alone = replace(web(), agent=None)
    assert plain(machine_line(alone)) == "running · no agent · QEMU 10.0.2"


def test_what_the_hypervisor_cannot_do_is_the_reason() -> None:
    assert "org.qemu.guest_agent.0" in why_no_freeze(
        replace(BUILD, state=VmState.RUNNING)
    )
    assert why_no_freeze(SHOP) == ""
    assert "not compressed" in why_never(SHOP, Ability.COMPRESS)
    assert why_never(SHOP, Ability.INCREMENTAL) == ""
    assert plain(impossible_line("no")) == "not possible: no"

"""What a repair will do, in the order that loses nothing, and when it is refused."""

from dataclasses import replace

import msgspec
import pytest

from tests.plan.ledger_material import NAMES, Fate, kept, machine
from vmsnap_tui.errors import NotFound, PlanRefused
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.backup import Identity
from vmsnap_tui.plan.ledger import Kept, ledger_of
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.repair import plan_repair
from vmsnap_tui.plan.requests import RepairRequest
from vmsnap_tui.plan.steps import AdoptCheckpoint, DropBitmaps

LOST = {"vda": Fate("whole", "lost"), "vdb": Fate("inconsistent", "lost")}


def plan(vm: Vm, holdings: Kept, *checkpoints: str) -> Plan:
    request = RepairRequest(vm.key, checkpoints)
    ledger = ledger_of(vm, holdings)
    return plan_repair(vm, ledger, holdings, request, Identity("op", "unused"))


def lost_and_failed() -> Vm:
    """The newest checkpoint lost by libvirt, and one of a failed backup."""
    vm = machine(NAMES["newest"], LOST)
    failed = machine(NAMES["failed"], {"vda": Fate("whole", "whole")})
    vda = vm.disks[0]
    image = vda.active
    both = (*image.bitmaps, *failed.disks[0].active.bitmaps)
    vda = replace(
        vda,
        chain=(replace(image, bitmaps=both), *vda.chain[1:]),
        records=failed.disks[0].records,
    )
    return replace(vm, disks=(vda, vm.disks[1]), checkpoints=failed.checkpoints)


def test_adopting_comes_first_then_what_is_of_no_use_goes() -> None:
    vm = lost_and_failed()
    made = plan(vm, kept("vda", "vdb"))
    assert made.steps == (
        AdoptCheckpoint(vm.key, NAMES["newest"], ("vda",)),
        DropBitmaps(vm.key, (("node-vda", NAMES["failed"]),)),
    )
    assert (made.point, made.repository) == ("", "/backup")
    assert made.commit_index == 1
    assert made.resume_index == len(made.steps)


def test_the_plan_says_of_each_disk_what_its_next_backup_will_be() -> None:
    made = plan(lost_and_failed(), kept("vda", "vdb"))
    vda, vdb = made.disks
    assert (vda.target, vda.level) == ("vda", "next: incremental")
    assert vda.reason.endswith("; without the repair it would be a full")
    assert vda.estimated_bytes > 0
    assert (vdb.target, vdb.level) == ("vdb", "next: full")
    assert vdb.reason
    assert f"knows {NAMES['newest']} again" in made.afterwards
    assert f"{NAMES['failed']} is gone" in made.afterwards


def test_without_libvirt_only_dead_bitmaps_go() -> None:
    two = {
        "vda": Fate("whole", "keeps none"),
        "vdb": Fate("inconsistent", "keeps none"),
    }
    vm = machine(NAMES["newest"], two)
    made = plan(vm, kept("vda", "vdb"))
    assert made.steps == (DropBitmaps(vm.key, (("node-vdb", NAMES["newest"]),)),)
    assert [d.level for d in made.disks] == ["next: incremental", "next: full"]


def test_one_checkpoint_may_be_chosen() -> None:
    vm = lost_and_failed()
    made = plan(vm, kept("vda", "vdb"), NAMES["failed"])
    assert [type(step) for step in made.steps] == [DropBitmaps]
    with pytest.raises(NotFound):
        plan(vm, kept("vda", "vdb"), "nobody")


def test_what_others_made_is_refused_with_the_reason() -> None:
    vm = machine(NAMES["virtnbdbackup"], {"vda": Fate("whole", "whole")})
    with pytest.raises(PlanRefused, match="virtnbdbackup made it"):
        plan(vm, kept("vda"), NAMES["virtnbdbackup"])


def test_where_all_agrees_nothing_is_planned() -> None:
    vm = machine(NAMES["newest"], {"vda": Fate("whole", "whole")})
    with pytest.raises(PlanRefused, match="agree"):
        plan(vm, kept("vda"))
    with pytest.raises(PlanRefused, match="its records agree"):
        plan(vm, kept("vda"), NAMES["newest"])
    vm = machine(NAMES["newest"], {"vda": Fate("none", "keeps none")})
    with pytest.raises(PlanRefused, match="point-without-record"):
        plan(vm, kept("vda"))


@pytest.mark.parametrize("state", [VmState.OFF, VmState.CRASHED, VmState.UNKNOWN])
def test_a_machine_that_does_not_run_is_refused(state: VmState) -> None:
    vm = replace(lost_and_failed(), state=state)
    with pytest.raises(PlanRefused, match="is not running"):
        plan(vm, kept("vda"))


def test_a_paused_machine_can_be_repaired() -> None:
    vm = replace(lost_and_failed(), state=VmState.PAUSED)
    assert plan(vm, kept("vda")).steps


def test_work_that_is_not_over_is_in_the_way() -> None:
    vm = lost_and_failed()
    busy = Kept(kept("vda").shelf, busy=("backup web-01 1a2b",))
    with pytest.raises(PlanRefused, match="backup web-01 1a2b"):
        plan(vm, busy)
    job = Job("j1", "mirror", JobStatus.READY, 1, 1)
    with pytest.raises(PlanRefused, match="mirror job j1"):
        plan(replace(vm, jobs=(job,)), kept("vda"))


def test_what_the_connection_cannot_do_is_refused_with_its_reason() -> None:
    limit = Limit(Ability.REPAIR, "you may only look", "the right to manage")
    vm = replace(lost_and_failed(), limits=(limit,))
    with pytest.raises(PlanRefused, match="you may only look") as refused:
        plan(vm, kept("vda"))
    assert refused.value.remedy == "it needs the right to manage"
    caution = Limit(Ability.REPAIR, "it leaves a mark", warns=True)
    made = plan(replace(vm, limits=(caution,)), kept("vda"))
    assert made.warnings == ("it leaves a mark",)


def test_a_repair_has_nothing_to_take_back() -> None:
    assert not plan(lost_and_failed(), kept("vda", "vdb")).undoable


def test_a_plan_of_a_repair_goes_into_a_journal_and_comes_back() -> None:
    made = plan(lost_and_failed(), kept("vda", "vdb"))
    assert msgspec.json.decode(msgspec.json.encode(made), type=Plan) == made

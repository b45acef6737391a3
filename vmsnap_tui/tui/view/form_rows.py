"""The lines of the forms' fields: disks with what would happen to each."""

from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.point import StoredDisk
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.plan import DiskPlan, Plan
from vmsnap_tui.tui.view.paragraphs import joined, said
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.units import format_bytes


def disk_line(disk: Disk) -> Line:
    """Target and size; what the guest sees."""
    size = format_bytes(disk.virtual_bytes) if disk.virtual_bytes else ""
    return said(f"{disk.target:<10} {size:>9}  ")


def stored_disk_line(disk: StoredDisk) -> Line:
    size = format_bytes(disk.virtual_bytes)
    return said(f"{disk.target:<10} {size:>9}  ")


def planned(plan: Plan | None, target: str) -> DiskPlan | None:
    disks = plan.disks if plan else ()
    return next((disk for disk in disks if disk.target == target), None)


def disk_plan_line(disk: DiskPlan) -> Line:
    """`incremental  about 312 MiB`."""
    about = said(f"about {format_bytes(disk.estimated_bytes)}")
    return joined([said(disk.level, Tone.STRONG), about])


def no_plan_line(*, ticked: bool) -> Line:
    """Under a disk of which no plan speaks."""
    return said("no plan, see below" if ticked else "left out", Tone.MUTED)


def why_no_freeze(vm: Vm) -> str:
    """Why the guest cannot be frozen, or nothing."""
    if vm.state is not VmState.RUNNING:
        return f"the machine is {vm.state.value}"
    if reason := why_never(vm, Ability.FREEZE):
        return reason
    if vm.agent is None:
        return "the machine has no guest agent channel"
    if vm.agent.answers is False:
        return "the guest agent does not run"
    return ""


def why_never(vm: Vm, ability: Ability) -> str:
    """What of the hypervisor is in the way, whatever the machine does; or nothing."""
    limit = vm.limit(ability)
    return limit.sentence if limit else ""


def impossible_line(reason: str) -> Line:
    """Beside a field that cannot be chosen."""
    return said(f"not possible: {reason}", Tone.MUTED)


def machine_line(vm: Vm) -> Line:
    """State, agent and QEMU, as they are now."""
    agent = "no agent"
    if vm.agent is not None:
        answers = {True: "agent ok", False: "agent silent", None: "agent not tried"}
        agent = answers[vm.agent.answers]
    parts = [vm.state.value, agent, vm.capabilities.label]
    return said(" · ".join(parts), Tone.MUTED)

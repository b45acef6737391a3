"""What a machine's hypervisor cannot do is refused before anything is tried."""

from typing import TYPE_CHECKING

from vmsnap_tui.errors import PlanRefused

if TYPE_CHECKING:
    from vmsnap_tui.model.limit import Ability
    from vmsnap_tui.model.vm import Vm


def require(vm: "Vm", ability: "Ability", doing: str) -> None:
    """Raises PlanRefused, with the reason and what could do it, where it cannot."""
    limit = vm.limit(ability)
    if limit is not None:
        raise PlanRefused(
            f"{doing}: that cannot be done here",
            evidence=limit.reason,
            remedy=f"it needs {limit.needs}" if limit.needs else "do without it",
        )

"""A plan: what will be done, in order, and the step after which it stands.

It is what the operator reads before anything happens, what `--dry-run` prints and
what the journal keeps. Two plans with equal `steps` do the same.
"""

from typing import Any

from msgspec import Struct, to_builtins

from vmsnap_tui.plan.requests import Request
from vmsnap_tui.plan.steps import Step


class DiskPlan(Struct, frozen=True):
    """What happens to one disk, and why at that level."""

    target: str
    level: str
    reason: str
    estimated_bytes: int
    before: tuple[str, ...] = ()
    """The chain, active image first."""


class Estimates(Struct, frozen=True):
    """None where nothing is known to estimate from."""

    bytes: int = 0
    free_bytes: int | None = None
    seconds: float | None = None
    freeze_window_s: float | None = None


class Plan(Struct, frozen=True):
    """One operation as a value; `commit_index` is the step from which there is no
    going back: a run broken before it is undone, one broken after it is finished.

    `resume_index` is the step from which another process may go on with the run. A
    run interrupted before it is taken back instead, as the machine may not be any more
    what the plan was made for: an overlay put on top meanwhile would make an increment
    that is planned on the old chain lose what is written there.
    """

    operation: str
    title: str
    vm_name: str
    vm: str
    """The machine's key; empty where no machine takes part."""
    connection: str
    repository: str
    point: str
    request: Request
    steps: tuple[Step, ...]
    commit_index: int
    resume_index: int = 0
    disks: tuple[DiskPlan, ...] = ()
    warnings: tuple[str, ...] = ()
    estimates: Estimates = Estimates()
    guest_effect: str = ""
    """What the guest feels meanwhile."""
    if_you_leave: str = ""
    if_it_breaks: str = ""
    afterwards: str = ""

    @property
    def undoable(self) -> bool:
        """Whether there is anything to take back when it breaks: a repair changes only
        what is right by itself."""
        return any(step.undo is not None for step in self.steps)

    def lines(self) -> tuple[str, ...]:
        """The steps as the operator reads them, numbered."""
        return tuple(f"{n}. {s.describe()}" for n, s in enumerate(self.steps, start=1))

    def to_json(self) -> dict[str, Any]:
        """What `--dry-run --json` prints."""
        plain: dict[str, Any] = to_builtins(self)
        plain["steps"] = list(self.lines())
        return plain

"""Every failure an operator can meet: its exit code, its evidence and its remedy.

The exit codes are a contract that scripts hold (see `vmsnap-tui --help`).
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process says to the shell; an unknown code must be read as failure."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    WARNINGS = 3
    """Done, but read the warnings."""
    REFUSED = 4
    """Nothing was changed."""
    UNDONE = 5
    """Failed, and what had been done was taken back."""
    UNKNOWN = 6
    """The outcome is not known: run `recover`."""
    STUCK = 7
    """Cannot be undone alone: `recover` says what is needed."""
    NO_CONNECTION = 8
    NOT_FOUND = 10
    LOCKED = 11
    INTERRUPTED = 130


class VmsnapError(Exception):
    """One sentence of cause, the evidence behind it, and what to do about it.

    `evidence` holds what the machine said (error class, text, node, path) and is
    untrusted text: show it through `text.visible`.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED
    kind: ClassVar[str] = "error"

    def __init__(self, cause: str, *, evidence: str = "", remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.evidence = evidence
        self.remedy = remedy

    def __str__(self) -> str:
        evidence = f" ({self.evidence})" if self.evidence else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.cause}{evidence}{remedy}"


class UsageError(VmsnapError):
    """The request is not well formed."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class PlanRefused(VmsnapError):
    """The plan cannot be made, or no longer fits the machine: nothing was changed."""

    exit_code = ExitCode.REFUSED
    kind = "refused"


class StepFailed(VmsnapError):
    """A step did not do what it should; what had been done is being taken back."""

    exit_code = ExitCode.UNDONE
    kind = "failed"


class ConnectionLost(VmsnapError):
    """The machine went away in mid-command: whether it took effect is not known."""

    exit_code = ExitCode.UNKNOWN
    kind = "unknown"


class RunStuck(VmsnapError):
    """A run can go neither forward nor back alone; its journal is kept."""

    exit_code = ExitCode.STUCK
    kind = "stuck"


class NoConnection(VmsnapError):
    """The hypervisor cannot be reached, or does not answer in time."""

    exit_code = ExitCode.NO_CONNECTION
    kind = "no-connection"


class NotFound(VmsnapError):
    """No such VM, disk, point, repository or operation."""

    exit_code = ExitCode.NOT_FOUND
    kind = "not-found"


class Locked(VmsnapError):
    """Another operation holds what this one needs; `evidence` names its owner."""

    exit_code = ExitCode.LOCKED
    kind = "locked"


class DamagedPoint(VmsnapError):
    """Stored data is not what its manifest says: it is neither used nor changed."""

    exit_code = ExitCode.REFUSED
    kind = "damaged"

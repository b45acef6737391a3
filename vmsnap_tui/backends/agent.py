"""What a link to a guest agent promises, whoever holds its channel.

Blocking on purpose: the freeze guard that uses it is a small process of its own and
must not wait for an event loop.
"""

from typing import Protocol


class AgentError(Exception):
    """The agent did not do what it was asked."""


class AgentSilent(AgentError):
    """No answer in time, or nobody there: what was asked may yet be done."""


class AgentRefused(AgentError):
    """The agent answered with an error, or with what cannot be an answer."""


class AgentLink(Protocol):
    """One connection to one guest's agent. Every call ends within its limit (seconds),
    and raises AgentSilent or AgentRefused."""

    def connect(self, limit_s: float) -> None: ...

    def sync(self, limit_s: float) -> None:
        """Come into step with an agent that an earlier client may have left."""
        ...

    def status(self, limit_s: float) -> str:
        """`thawed` or `frozen`."""
        ...

    def freeze(self, limit_s: float) -> int:
        """How many file systems were frozen. Where no answer comes in time the guest
        may be frozen all the same: the caller thaws."""
        ...

    def thaw(self, limit_s: float) -> int:
        """How many file systems were thawed, 0 where none was frozen."""
        ...

    def close(self) -> None: ...

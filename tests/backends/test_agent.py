"""The promise of a link to an agent is what both kinds of it offer."""

import inspect

import pytest

from vmsnap_tui.backends.agent import (
    AgentError,
    AgentLink,
    AgentRefused,
    AgentSilent,
)
from vmsnap_tui.backends.libvirt.agent import LibvirtAgent
from vmsnap_tui.backends.qmp.agent import SocketAgent

PROMISED = [name for name in vars(AgentLink) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [LibvirtAgent, SocketAgent])
@pytest.mark.parametrize("name", PROMISED)
def test_each_kind_takes_what_is_promised(kind: type, name: str) -> None:
    promised = inspect.signature(getattr(AgentLink, name)).parameters
    assert list(inspect.signature(getattr(kind, name)).parameters) == list(promised)


def test_a_silence_and_a_refusal_are_told_apart() -> None:
    """After a silence the guest may be frozen all the same."""
    assert issubclass(AgentSilent, AgentError)
    assert issubclass(AgentRefused, AgentError)
    assert not issubclass(AgentSilent, AgentRefused)

"""An address leads to the link that reaches it."""

import subprocess
import sys

import pytest

from vmsnap_tui.backends.libvirt.agent import LibvirtAgent
from vmsnap_tui.backends.qmp.agent import SocketAgent
from vmsnap_tui.engine.agents import link_to


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/run/vm/web.qga", SocketAgent),
        ("libvirt:22ba86cd-6bf8-4681-a1ed-93609df63086@qemu:///system", LibvirtAgent),
    ],
)
def test_the_address_tells_the_kind(address: str, kind: type) -> None:
    assert isinstance(link_to(address), kind)


def test_a_socket_is_reached_without_libvirt() -> None:
    """A freeze must not wait for what it does not need."""
    code = (
        "import sys; from vmsnap_tui.engine.agents import link_to; link_to('/x');"
        " sys.exit('libvirt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The link to a guest agent, by the address that a machine's channel has."""

from vmsnap_tui.backends.agent import AgentLink

LIBVIRT = "libvirt:"


def link_to(address: str) -> AgentLink:
    """Not connected yet. Only what the address needs is imported: the freeze guard,
    which is a process of its own, starts sooner."""
    if address.startswith(LIBVIRT):
        from vmsnap_tui.backends.libvirt.agent import LibvirtAgent

        return LibvirtAgent(address)
    from vmsnap_tui.backends.qmp.agent import SocketAgent

    return SocketAgent(address)

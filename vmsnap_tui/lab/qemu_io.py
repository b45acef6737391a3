"""qemu-io inside a running QEMU: the guest's writes, without a guest."""

from vmsnap_tui.lab.monitor import CommandRefused

_DONE = {"write": "wrote", "read": "read", "discard": "discard", "flush": ""}
"""How qemu-io begins when the verb was done; what it cannot parse it leaves unsaid."""


def qemu_io_line(device: str, command: str) -> str:
    """Return the line for QEMU's human monitor; it acts through whatever filters the
    device has at this moment."""
    return f'qemu-io -d /machine/peripheral/{device}/virtio-backend "{command}"'


def require_done(target: str, command: str, said: str) -> None:
    """Raise CommandRefused unless what qemu-io printed says that it was done."""
    done = _DONE.get(command.split()[0])
    if done is None or not said.startswith(done) or "failed" in said:
        raise CommandRefused(f"qemu-io {command} on {target}", evidence=said)

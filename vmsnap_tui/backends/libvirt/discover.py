"""This host's libvirt, where its socket says that there is one."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

_SOCKETS = ("libvirt-sock", "virtqemud-sock")
"""Of the one daemon for everything, and of the newer one for QEMU alone."""
RUN = Path("/run/libvirt")


def discover(
    run: Path = RUN,
    environment: Mapping[str, str] = os.environ,
    *,
    installed: bool | None = None,
) -> tuple[str, ...]:
    """The URIs of the system's libvirt and of the user's own, as far as they are there.

    Nothing is connected to, and nothing started: a client of the session's libvirt
    would start one. Empty where libvirt's Python binding is not installed.
    """
    if not (find_spec("libvirt") is not None if installed is None else installed):
        return ()
    found = []
    if _has_socket(run):
        found.append("qemu:///system")
    session = environment.get("XDG_RUNTIME_DIR", "")
    if session and os.geteuid() and _has_socket(Path(session) / "libvirt"):
        found.append("qemu:///session")
    return tuple(found)


def _has_socket(directory: Path) -> bool:
    return any((directory / name).is_socket() for name in _SOCKETS)

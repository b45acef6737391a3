"""The arm that reaches a hypervisor, by the scheme of its URI.

Each is imported when the first connection needs it: a QMP socket wants no libvirt.
"""

from vmsnap_tui.backends.base import Backend
from vmsnap_tui.errors import UsageError


def open_backend(uri: str) -> Backend:
    """The arm for a connection's scheme. Raises UsageError for an unknown one."""
    if uri.startswith("qmp:"):
        from vmsnap_tui.backends.qmp.backend import QmpBackend

        return QmpBackend(uri)
    from vmsnap_tui.backends.libvirt.uri import is_libvirt_uri

    if is_libvirt_uri(uri):
        return _libvirt(uri)
    raise UsageError(
        f"no way to connect to {uri}",
        remedy="name a libvirt URI (qemu:///system) or a QMP socket"
        " (qmp:///path/to/qmp.sock)",
    )


def _libvirt(uri: str) -> Backend:
    """Raises UsageError where libvirt's Python binding is not installed."""
    try:
        from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
    except ModuleNotFoundError as error:
        if error.name not in ("libvirt", "libvirt_qemu"):
            raise
        raise UsageError(
            f"no way to connect to {uri}: libvirt's Python binding is not installed",
            evidence=str(error),
            remedy="install python3-libvirt of your distribution, or"
            " `pip install 'vmsnap-tui[libvirt]'`, which needs libvirt's headers",
        ) from error
    return LibvirtBackend(uri)

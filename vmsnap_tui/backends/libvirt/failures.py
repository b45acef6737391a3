"""libvirt's errors as cause, evidence and remedy.

A refusal keeps its code for those who must tell one from another; a call that a dead
connection cut off is not a refusal, as nobody knows whether it took effect.
"""

import errno

import libvirt

from vmsnap_tui.backends.explain import explain
from vmsnap_tui.backends.libvirt.uri import LibvirtUri
from vmsnap_tui.errors import (
    ConnectionLost,
    NoConnection,
    NotFound,
    StepFailed,
    VmsnapError,
)

_NAMES: dict[int, str] = {
    number: name
    for name, number in vars(libvirt).items()
    if name.startswith("VIR_ERR_")
    and name not in ("VIR_ERR_NONE", "VIR_ERR_WARNING", "VIR_ERR_ERROR")
}

_MISSING = {
    libvirt.VIR_ERR_NO_DOMAIN: "there is no such machine",
    libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT: "there is no such snapshot",
    libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT: "there is no such checkpoint",
    libvirt.VIR_ERR_NO_DOMAIN_METADATA: "there is no such note on the machine",
    libvirt.VIR_ERR_NO_DOMAIN_BACKUP: "no backup runs on the machine",
}

_LOST_CODES = frozenset(
    {
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_INVALID_CONN,
    }
)
"""Of errors that libvirt's client makes (`client socket is closed`, `End of file
while reading data`, `connection closed due to keepalive timeout`)."""

_RIGHTS_CODES = frozenset(
    {
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
        libvirt.VIR_ERR_OPERATION_DENIED,
    }
)
_NO_BUS = "Unable to get system bus connection"
"""From a libvirtd that is to ask polkit, and cannot."""

_RETRY = "put right what libvirt names, and try again"
_LOOK = "look at the machine again, then decide"
_OTHER_WAY = "do it another way, or upgrade libvirt and QEMU"
_BY_CODE = {
    libvirt.VIR_ERR_NO_SUPPORT: ("libvirt's driver cannot do that", _OTHER_WAY),
    libvirt.VIR_ERR_INVALID_ARG: ("libvirt takes no such request", _RETRY),
    libvirt.VIR_ERR_SYSTEM_ERROR: ("the host's system refused", _RETRY),
    libvirt.VIR_ERR_OPERATION_INVALID: (
        "the machine is not in a state for that",
        _LOOK,
    ),
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: ("libvirt cannot do that here", _OTHER_WAY),
    libvirt.VIR_ERR_OPERATION_TIMEOUT: (
        "libvirt waited for the machine in vain",
        "see which job or call holds it, and wait for its end",
    ),
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED: ("libvirt cannot do that here", _OTHER_WAY),
    libvirt.VIR_ERR_OPERATION_ABORTED: ("the operation was cancelled", _LOOK),
    libvirt.VIR_ERR_BLOCK_COPY_ACTIVE: (
        "a job runs on that disk",
        "pivot or cancel it, or wait for its end",
    ),
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: ("libvirt cannot do that here", _OTHER_WAY),
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: (
        "the guest agent does not answer",
        "see the guest, or go on without freezing (crash-consistent)",
    ),
    libvirt.VIR_ERR_RESOURCE_BUSY: ("what is needed is in use", _LOOK),
    libvirt.VIR_ERR_XML_INVALID_SCHEMA: (
        "this libvirt does not understand the request",
        _OTHER_WAY,
    ),
    libvirt.VIR_ERR_CHECKPOINT_INCONSISTENT: (
        "the changes of a disk are no longer tracked without a gap",
        "back up that disk in full; then remove the checkpoint's metadata only",
    ),
} | dict.fromkeys(
    _RIGHTS_CODES,
    (
        "the connection may not do that",
        "connect as a user with the right org.libvirt.unix.manage, or as root",
    ),
)


class LibvirtRefused(StepFailed):
    """libvirt answered a call with an error: its `code` (VIR_ERR_…) and `message`."""

    def __init__(
        self, cause: str, *, evidence: str, remedy: str, code: int, message: str
    ) -> None:
        super().__init__(cause, evidence=evidence, remedy=remedy)
        self.code = code
        self.message = message


class LibvirtNotFound(NotFound):
    """libvirt knows no such machine, snapshot, checkpoint, backup or note."""

    def __init__(self, cause: str, *, evidence: str, remedy: str, code: int) -> None:
        super().__init__(cause, evidence=evidence, remedy=remedy)
        self.code = code


def refusal(error: libvirt.libvirtError, doing: str) -> VmsnapError:
    """The answer to a call: LibvirtNotFound, ConnectionLost or LibvirtRefused."""
    code, message = _code(error), _message(error)
    evidence = f"{doing}: {_evidence(error)}"
    if cut_off(error):
        return lost(evidence)
    if code in _MISSING:
        return LibvirtNotFound(
            _MISSING[code],
            evidence=evidence,
            remedy="look again: it may have gone meanwhile",
            code=code,
        )
    cause, remedy = _BY_CODE.get(code, ("libvirt refused", _RETRY))
    explanation = explain(message)
    if explanation is not None:
        cause, remedy = explanation.meaning, explanation.remedy
    return LibvirtRefused(
        cause, evidence=evidence, remedy=remedy, code=code, message=message
    )


def cut_off(error: libvirt.libvirtError) -> bool:
    """Whether the connection ended before the answer came."""
    return (
        error.get_error_domain() == libvirt.VIR_FROM_RPC and _code(error) in _LOST_CODES
    ) or _code(error) == libvirt.VIR_ERR_INVALID_CONN


def lost(evidence: str) -> ConnectionLost:
    return ConnectionLost(
        "the connection to libvirt was lost",
        evidence=evidence,
        remedy="see whether libvirtd runs; a run asks it what took effect",
    )


def lacks_rights(error: libvirt.libvirtError) -> bool:
    """Whether a connection was refused for want of rights, or because nobody could be
    asked for them, so that a read-only one may be had."""
    return (
        _code(error) in _RIGHTS_CODES | {libvirt.VIR_ERR_DBUS_SERVICE}
        or _errno(error) == errno.EACCES
        or _NO_BUS in _message(error)
    )


def unreachable(error: libvirt.libvirtError, uri: LibvirtUri) -> NoConnection:
    """Why no connection was made, and what to start or see to."""
    cause, remedy = _unreached(error, uri)
    return NoConnection(
        cause, evidence=f"{uri.text}: {_evidence(error)}", remedy=remedy
    )


def _unreached(error: libvirt.libvirtError, uri: LibvirtUri) -> tuple[str, str]:
    if uri.transport == "unix" and _errno(error) in (errno.ENOENT, errno.ECONNREFUSED):
        if uri.socket:
            return "no libvirtd listens there", f"start the libvirtd of {uri.socket}"
        if uri.path == "/session":
            return (
                "the session's libvirtd does not start",
                "see its log below ~/.cache/libvirt",
            )
        return (
            "no libvirtd runs here",
            "start it: systemctl start libvirtd, or virtqemud where that is installed",
        )
    if uri.transport == "ssh":
        return (
            "libvirt cannot be reached over ssh",
            "see that ssh logs in by key without asking, and that libvirtd runs there",
        )
    return "libvirt cannot be reached", "see that libvirtd runs there, and the URI"


def _code(error: libvirt.libvirtError) -> int:
    return int(error.get_error_code() or 0)


def _errno(error: libvirt.libvirtError) -> int:
    """What the system said; only errors of the system carry it."""
    if _code(error) != libvirt.VIR_ERR_SYSTEM_ERROR:
        return 0
    return int(error.get_int1() or 0)


def _message(error: libvirt.libvirtError) -> str:
    return str(error.get_error_message() or error)


def _evidence(error: libvirt.libvirtError) -> str:
    code = _code(error)
    return f"{_NAMES.get(code, 'VIR_ERR')} ({code}): {_message(error)}"

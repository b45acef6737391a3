"""libvirt's errors in the operator's words, and which of them are no answer."""

import libvirt
import pytest

from vmsnap_tui.backends.libvirt import event_thread
from vmsnap_tui.backends.libvirt.failures import (
    LibvirtNotFound,
    LibvirtRefused,
    lacks_rights,
    refusal,
    unreachable,
)
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.errors import ConnectionLost

_QEMU, _RPC, _DOMAIN = 10, 7, 20


def _error(
    code: int, message: str, source: int = _QEMU, number: int = 0
) -> libvirt.libvirtError:
    """As the binding makes it of what libvirt's library left behind."""
    error = libvirt.libvirtError(message)
    error.err = (code, source, message, 2, "", None, None, number, 0)
    return error


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (74, "argument unsupported: QEMU guest agent is not configured", "no channel"),
        (
            86,
            "Guest agent is not responding: QEMU guest agent is not connected",
            "no gu",
        ),
        (
            55,
            "Requested operation is not valid: domain is not running",
            "not in a state",
        ),
        (9, "operation failed: domain moment c1 already exists", "on record already"),
        (67, "unsupported configuration: no disk named 'vdz'", "cannot do that here"),
        (38, "failed to create image file 'F': No such file or directory", "director"),
        (8, "invalid argument: store 'F' for backup of 'vda' exists", "file already"),
        (1, "internal error: 'nbd-server-start': Failed to bind socket", "refused"),
        (
            68,
            "Timed out during operation: cannot acquire state change lock",
            "under way",
        ),
        (84, "Operation not supported: disk 'vda' already in active block job", "job"),
        (83, "block copy still active: disk 'vda' already in active block job", "job"),
        (29, "operation forbidden: read only access prevents virDomainX", "read-only"),
        (92, "XML document failed to validate against schema", "does not understand"),
        (109, "checkpoint inconsistent: something new", "no longer tracked"),
        (
            3,
            "this function is not supported by the connection driver",
            "cannot do that",
        ),
        (4711, "something new", "libvirt refused"),
    ],
)
def test_a_refusal_has_cause_evidence_remedy_and_its_code(
    code: int, message: str, cause: str
) -> None:
    failure = refusal(_error(code, message), "start the backup")
    assert isinstance(failure, LibvirtRefused)
    assert (failure.code, failure.message) == (code, message)
    assert cause in failure.cause
    assert failure.evidence.startswith("start the backup: VIR_ERR")
    assert f"({code}): {message}" in failure.evidence
    assert failure.remedy


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (42, "machine"),
        (72, "snapshot"),
        (103, "checkpoint"),
        (80, "note"),
        (104, "back"),
    ],
)
def test_what_is_not_there_is_told_apart(code: int, what: str) -> None:
    failure = refusal(_error(code, "not found"), "look up")
    assert isinstance(failure, LibvirtNotFound)
    assert failure.code == code
    assert what in failure.cause


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1, "internal error: client socket is closed"),
        (38, "End of file while reading data: Input/output error"),
        (38, "Cannot recv data: Connection reset by peer"),
        (1, "internal error: connection closed due to keepalive timeout"),
    ],
)
def test_a_connection_that_broke_is_no_answer(code: int, message: str) -> None:
    assert isinstance(refusal(_error(code, message, _RPC), "x"), ConnectionLost)
    assert isinstance(refusal(_error(code, message, _QEMU), "x"), LibvirtRefused)


def test_a_connection_that_was_closed_is_no_answer() -> None:
    event_thread.start()
    connection = libvirt.open("test:///default")
    connection.close()
    with pytest.raises(libvirt.libvirtError) as caught:
        connection.getType()
    assert isinstance(refusal(caught.value, "x"), ConnectionLost)


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (_error(45, "authentication failed: access denied by policy", _RPC), True),
        (_error(79, "authentication cancelled: user cancelled", _RPC), True),
        (
            _error(94, "authentication unavailable: no polkit agent available", _RPC),
            True,
        ),
        (_error(88, "access denied: 'QEMU' denied access", 0), True),
        (_error(89, "error from service: PolicyKit1 was not provided", 0), True),
        (_error(1, "internal error: Unable to get system bus connection: x", 0), True),
        (_error(38, "Failed to connect socket to 'F': Permission denied", 7, 13), True),
        (_error(38, "Failed to connect socket to 'F': No such file", 7, 2), False),
        (_error(38, "Cannot recv data: Permission denied (publickey)", 7, 104), False),
        (_error(1, "internal error: Permission denied", 7, 13), False),
    ],
)
def test_only_missing_rights_are_missing_rights(
    error: libvirt.libvirtError, lacking: bool
) -> None:
    assert lacks_rights(error) is lacking


@pytest.mark.parametrize(
    ("uri", "number", "cause", "remedy"),
    [
        ("qemu:///system", 2, "no libvirtd runs here", "systemctl start libvirtd"),
        ("qemu:///system", 111, "no libvirtd runs here", "systemctl start libvirtd"),
        ("qemu:///system?socket=/x", 2, "no libvirtd listens there", "libvirtd of /x"),
        ("qemu:///session", 2, "does not start", ".cache/libvirt"),
        ("qemu+ssh://h/system", 104, "over ssh", "by key"),
        ("qemu+tcp://h/system", 111, "cannot be reached", "libvirtd runs there"),
    ],
)
def test_why_no_connection_is_made_is_told_with_what_to_start(
    uri: str, number: int, cause: str, remedy: str
) -> None:
    error = _error(38, "Failed to connect", _RPC, number)
    failure = unreachable(error, parse_uri(uri))
    assert cause in failure.cause
    assert remedy in failure.remedy
    assert failure.evidence == f"{uri}: VIR_ERR_SYSTEM_ERROR (38): Failed to connect"

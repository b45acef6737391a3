"""libvirt's domain events and QEMU's own, as values with readable names.

They come in libvirt's event thread, whose C code prints what a callback raises to
stderr: the callbacks here raise nothing.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import libvirt
import libvirt_qemu

_log = logging.getLogger(__name__)

Words: TypeAlias = tuple[str, ...]

_LIFECYCLE: Words = (
    "defined",
    "undefined",
    "started",
    "suspended",
    "resumed",
    "stopped",
    "shutdown",
    "pmsuspended",
    "crashed",
)
_DETAILS: dict[str, Words] = {
    "defined": ("added", "updated", "renamed", "from-snapshot"),
    "undefined": ("removed", "renamed"),
    "started": ("booted", "migrated", "restored", "from-snapshot", "wakeup"),
    "suspended": (
        "paused",
        "migrated",
        "io-error",
        "watchdog",
        "restored",
        "from-snapshot",
        "api-error",
        "postcopy",
        "postcopy-failed",
    ),
    "resumed": ("unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed"),
    "stopped": (
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from-snapshot",
    ),
    "shutdown": ("finished", "guest", "host"),
    "pmsuspended": ("memory", "disk"),
    "crashed": ("panicked", "crashloaded"),
}
_JOB_TYPES: Words = ("unknown", "pull", "copy", "commit", "active-commit", "backup")
_JOB_STATUSES: Words = ("completed", "failed", "canceled", "ready")
_AGENT_STATES: Words = ("unknown", "connected", "disconnected")
_AGENT_REASONS: Words = ("unknown", "domain-started", "channel")
_METADATA_TYPES: Words = ("description", "title", "element")
_IO_ERROR_ACTIONS: Words = ("none", "pause", "report")
_DISK_CHANGES: Words = ("missing-on-start", "dropped-on-start")


@dataclass(frozen=True, slots=True)
class Heard:
    """One event; `at_s` is seconds since the epoch. QEMU's own events keep their
    names (`JOB_STATUS_CHANGE`), libvirt's are in small letters (`block-job`).

    Everything in it is untrusted text.
    """

    domain_uuid: str
    domain_name: str
    name: str
    data: dict[str, Any]
    at_s: float


Tell: TypeAlias = Callable[[Heard], None]
Read: TypeAlias = Callable[..., dict[str, Any]]


def listen(connection: Any, tell: Tell, *, monitor: bool) -> None:
    """Have every event of every domain told, QEMU's own too if `monitor` is set.

    Listening to QEMU's events leaves no mark on a domain. Raises libvirtError.
    """
    for event, name, read in _KINDS:
        connection.domainEventRegisterAny(None, event, _Callback(tell, name, read), ())
    if monitor:
        # no domain and no name: all of them; the binding's annotations say otherwise
        register: Any = libvirt_qemu.qemuMonitorEventRegister
        register(connection, None, None, _MonitorCallback(tell), None, 0)


def _word(words: Words, number: int) -> str:
    """A newer libvirt has more of them."""
    return words[number] if 0 <= number < len(words) else str(number)


def _lifecycle(event: int, detail: int) -> dict[str, Any]:
    name = _word(_LIFECYCLE, event)
    return {"event": name, "detail": _word(_DETAILS.get(name, ()), detail)}


def _block_job(disk: str, kind: int, status: int) -> dict[str, Any]:
    return {
        "disk": disk,
        "type": _word(_JOB_TYPES, kind),
        "status": _word(_JOB_STATUSES, status),
    }


def _job_completed(parameters: dict[str, Any]) -> dict[str, Any]:
    return dict(parameters)


def _agent_lifecycle(state: int, reason: int) -> dict[str, Any]:
    return {
        "state": _word(_AGENT_STATES, state),
        "reason": _word(_AGENT_REASONS, reason),
    }


def _block_threshold(
    disk: str, path: str | None, threshold: int, excess: int
) -> dict[str, Any]:
    return {
        "disk": disk,
        "path": path or "",
        "threshold_bytes": threshold,
        "excess_bytes": excess,
    }


def _io_error(path: str, device: str, action: int, reason: str) -> dict[str, Any]:
    return {
        "path": path,
        "device": device,
        "action": _word(_IO_ERROR_ACTIONS, action),
        "reason": reason,
    }


def _metadata_change(kind: int, uri: str | None) -> dict[str, Any]:
    return {"type": _word(_METADATA_TYPES, kind), "uri": uri or ""}


def _disk_change(
    old_path: str | None, new_path: str | None, device: str, reason: int
) -> dict[str, Any]:
    return {
        "old_path": old_path or "",
        "new_path": new_path or "",
        "device": device,
        "reason": _word(_DISK_CHANGES, reason),
    }


def _device(device: str) -> dict[str, Any]:
    return {"device": device}


_KINDS: tuple[tuple[int, str, Read], ...] = (
    (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, "lifecycle", _lifecycle),
    (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, "block-job", _block_job),
    (libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, "job-completed", _job_completed),
    (libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, "agent-lifecycle", _agent_lifecycle),
    (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD, "block-threshold", _block_threshold),
    (libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, "io-error", _io_error),
    (libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, "metadata-change", _metadata_change),
    (libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE, "disk-change", _disk_change),
    (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, "device-added", _device),
    (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "device-removed", _device),
)


@dataclass(frozen=True, slots=True)
class _Callback:
    tell: Tell
    name: str
    read: Read

    def __call__(self, _connection: Any, domain: Any, *values: Any) -> None:
        data = self.read(*values[:-1])
        _tell(self.tell, domain, self.name, data, time.time())


@dataclass(frozen=True, slots=True)
class _MonitorCallback:
    tell: Tell

    def __call__(  # noqa: PLR0913 - libvirt's arguments
        self,
        _connection: Any,
        domain: Any,
        name: str,
        seconds: int,
        micros: int,
        details: str | None,
        _opaque: object,
    ) -> None:
        _tell(self.tell, domain, name, _details(details), seconds + micros / 1e6)


def _details(text: str | None) -> dict[str, Any]:
    """Some events have none (STOP, RESUME)."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {"text": text}
    return data if isinstance(data, dict) else {"value": data}


def _tell(
    tell: Tell, domain: Any, name: str, data: dict[str, Any], at_s: float
) -> None:
    try:
        uuid, domain_name = domain.UUIDString(), domain.name()
    except libvirt.libvirtError as error:
        _log.warning("an event of no domain: %s: %s", name, error)
        return
    tell(Heard(uuid, domain_name, name, data, at_s))

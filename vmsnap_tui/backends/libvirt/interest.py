"""Which of what is known of a domain an event makes old; no I/O."""

from vmsnap_tui.backends.libvirt.heard import Heard

_DEFINITION = frozenset(
    {"metadata-change", "disk-change", "device-added", "device-removed"}
    | {"agent-lifecycle", "block-job", "lifecycle"}
)
_JOBS = frozenset({"block-job", "job-completed"})
_MAKES_IMAGE = "create-"
"""How the ids of those jobs begin by which libvirt makes an image."""


def of_definition(event: Heard) -> bool:
    """The XML of the domain."""
    return event.name in _DEFINITION


def of_jobs(event: Heard) -> bool:
    """Its jobs, libvirt's or QEMU's own."""
    return event.name in _JOBS or event.name.startswith(("JOB_", "BLOCK_JOB_"))


def of_records(event: Heard) -> bool:
    """Its checkpoints, and what they recorded. Merges carry them along, and a run
    begins with those that were saved. A job that is over by this event is so for
    libvirt too, and the block graph may be asked for."""
    match event.name, event.data:
        case "lifecycle", {"event": what}:
            return bool(what == "started")
        case "block-job", {"status": status}:
            return bool(status != "ready")
        case "JOB_STATUS_CHANGE", {"status": "null", "id": job}:
            return not str(job).startswith(_MAKES_IMAGE)
        case name, _:
            return name == "job-completed"


def makes_image(event: Heard) -> bool:
    """libvirt has made an image: it is in a chain a moment later."""
    match event.name, event.data:
        case "JOB_STATUS_CHANGE", {"status": "null", "id": job}:
            return str(job).startswith(_MAKES_IMAGE)
    return False

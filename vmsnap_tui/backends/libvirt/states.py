"""What a domain does, from libvirt's pair of numbers; its own words are kept.

The words are virsh's (`virsh domstate --reason`).
"""

from vmsnap_tui.model.vm import VmState

_RUNNING, _PAUSED, _OFF, _CRASHED = (
    VmState.RUNNING,
    VmState.PAUSED,
    VmState.OFF,
    VmState.CRASHED,
)
_STATES: tuple[tuple[str, VmState], ...] = (
    ("no state", VmState.UNKNOWN),
    ("running", _RUNNING),
    ("idle", _RUNNING),
    ("paused", _PAUSED),
    ("in shutdown", _OFF),
    ("shut off", _OFF),
    ("crashed", _CRASHED),
    ("pmsuspended", _PAUSED),
)
"""By virDomainState."""
_REASONS: dict[int, tuple[str, ...]] = {
    1: (
        "",
        "booted",
        "migrated",
        "restored",
        "from snapshot",
        "unpaused",
        "migration canceled",
        "save canceled",
        "event wakeup",
        "crashed",
        "post-copy",
        "post-copy failed",
    ),
    3: (
        "",
        "user",
        "migrating",
        "saving",
        "dumping",
        "I/O error",
        "watchdog",
        "from snapshot",
        "shutting down",
        "creating snapshot",
        "crashed",
        "starting up",
        "post-copy",
        "post-copy failed",
        "api error",
    ),
    4: ("", "user"),
    5: (
        "",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from snapshot",
        "daemon",
    ),
    6: ("", "panicked"),
}
_EXCEPTIONS = {
    (3, 5): VmState.IO_ERROR,
    (3, 10): VmState.CRASHED,
    (5, 3): VmState.CRASHED,
}
_USUAL = frozenset({(1, 1), (1, 5)})
"""Booted, unpaused: these say nothing that `running` does not."""


def vm_state(state: int, reason: int) -> VmState:
    if (state, reason) in _EXCEPTIONS:
        return _EXCEPTIONS[state, reason]
    return _STATES[state][1] if 0 <= state < len(_STATES) else VmState.UNKNOWN


def status_words(state: int, reason: int) -> str:
    """`paused (I/O error)`; a number where a newer libvirt has one more."""
    word = _STATES[state][0] if 0 <= state < len(_STATES) else f"state {state}"
    reasons = _REASONS.get(state, ())
    if reason == 0 or (state, reason) in _USUAL:
        return word
    known = reasons[reason] if 0 <= reason < len(reasons) else f"reason {reason}"
    return f"{word} ({known})" if known else word


def is_active(state: int) -> bool:
    """Whether a QEMU runs: paused, crashed but kept, or shutting down, it does."""
    return state in (1, 2, 3, 4, 6, 7)

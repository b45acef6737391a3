"""libvirt's numbers of a state become one of ours, and its own words."""

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.backends.libvirt.states import is_active, status_words, vm_state
from vmsnap_tui.model.vm import VmState


@pytest.mark.parametrize(
    ("state", "reason", "found", "words"),
    [
        (1, 1, VmState.RUNNING, "running"),
        (1, 5, VmState.RUNNING, "running"),
        (1, 3, VmState.RUNNING, "running (restored)"),
        (3, 1, VmState.PAUSED, "paused (user)"),
        (3, 5, VmState.IO_ERROR, "paused (I/O error)"),
        (3, 10, VmState.CRASHED, "paused (crashed)"),
        (4, 1, VmState.OFF, "in shutdown (user)"),
        (5, 0, VmState.OFF, "shut off"),
        (5, 1, VmState.OFF, "shut off (shutdown)"),
        (5, 3, VmState.CRASHED, "shut off (crashed)"),
        (5, 99, VmState.OFF, "shut off (reason 99)"),
        (6, 1, VmState.CRASHED, "crashed (panicked)"),
        (7, 0, VmState.PAUSED, "pmsuspended"),
        (99, 1, VmState.UNKNOWN, "state 99 (reason 1)"),
    ],
)
def test_a_state_and_its_reason(
    state: int, reason: int, found: VmState, words: str
) -> None:
    assert (vm_state(state, reason), status_words(state, reason)) == (found, words)


def test_the_numbers_are_libvirts() -> None:
    assert vm_state(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR) is (
        VmState.IO_ERROR
    )
    crashed = libvirt.VIR_DOMAIN_SHUTOFF_CRASHED
    assert vm_state(libvirt.VIR_DOMAIN_SHUTOFF, crashed) is VmState.CRASHED
    starting = libvirt.VIR_DOMAIN_PAUSED_STARTING_UP
    assert "starting up" in status_words(libvirt.VIR_DOMAIN_PAUSED, starting)


def test_a_qemu_runs_unless_the_machine_is_off() -> None:
    assert [state for state in range(9) if is_active(state)] == [1, 2, 3, 4, 6, 7]


@given(st.integers(-5, 50), st.integers(-5, 50))
def test_no_number_breaks_it(state: int, reason: int) -> None:
    assert status_words(state, reason)
    assert vm_state(state, reason) in VmState

"""libvirt's event loop: there once, for every asyncio loop of the process."""

import subprocess
import sys
import threading

import libvirt
import pytest

from vmsnap_tui.backends.libvirt import event_thread


def _threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "libvirt-events"]


def test_there_is_one_thread_however_often_it_is_started() -> None:
    event_thread.start()
    starters = [threading.Thread(target=event_thread.start) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    (thread,) = _threads()
    assert thread.daemon


def test_errors_are_raised_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    event_thread.start()
    connection = libvirt.open("test:///default")
    with pytest.raises(libvirt.libvirtError):
        connection.lookupByName("nobody")
    assert capfd.readouterr() == ("", "")


def test_timers_fire_without_any_asyncio_loop() -> None:
    event_thread.start()
    fired = threading.Event()
    timer = libvirt.virEventAddTimeout(0, lambda _timer, _opaque: fired.set(), None)
    assert fired.wait(5)
    libvirt.virEventRemoveTimeout(timer)


def test_what_a_callback_raises_does_not_end_the_thread() -> None:
    """In a process of its own, as libvirt's binding prints it."""
    code = """
import libvirt, threading
from vmsnap_tui.backends.libvirt import event_thread
event_thread.start()
raised, fired = threading.Event(), threading.Event()
def bad(timer, _):
    libvirt.virEventRemoveTimeout(timer)
    raised.set()
    raise SystemError("bad")
libvirt.virEventAddTimeout(0, bad, None)
assert raised.wait(5)
libvirt.virEventAddTimeout(0, lambda t, o: fired.set(), None)
assert fired.wait(5)
print("alive")
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30
    )
    assert (said.returncode, said.stdout) == (0, "alive\n")


def test_the_process_ends_while_the_thread_waits() -> None:
    code = """
import libvirt
from vmsnap_tui.backends.libvirt import event_thread
event_thread.start()
connection = libvirt.open("test:///default")
connection.domainEventRegisterAny(None, 0, lambda *_: None, None)
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")

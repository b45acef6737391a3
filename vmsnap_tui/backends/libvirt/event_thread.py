"""libvirt's own event loop, run for ever by one thread of this process.

libvirt takes one event loop for the whole life of a process, and it must be there
before the first connection is opened. An asyncio loop in its place would be bound to
the first of several, and one that is busy would leave keepalives unanswered.
"""

import logging
import threading

import libvirt

_PAUSE_S = 0.1
"""After a failed turn, so that one that fails for ever does not take a core."""

_log = logging.getLogger(__name__)
_starting = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Have libvirt's events delivered from now on; again is no matter.

    Its errors are not written to stderr any more, where they would be seen on the
    screen. The thread is a daemon: it neither keeps the process nor ends it.
    """
    global _thread
    with _starting:
        if _thread is not None:
            return
        libvirt.registerErrorHandler(_silent, None)
        libvirt.virEventRegisterDefaultImpl()
        _thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _thread.start()


def _silent(_context: object, _error: object) -> None:
    """Each error is raised as an exception too."""


def _run() -> None:
    pause = threading.Event()
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            _log.warning("libvirt's event loop: %s", error)
            pause.wait(_PAUSE_S)

"""What the terminal must be able to do, and what to do when it goes away.

Measured on Textual 8.2: without a terminal it runs for ever; on SIGTERM and SIGHUP
it leaves the alternate screen and the mouse on; and when the terminal is closed
without a signal (`sudo su`, then the line drops) its input thread spins.
"""

import asyncio
import select
import signal
import sys
from collections.abc import Callable

HANGUP_CHECK_S = 1.0
"""How long a closed terminal may go unseen; one poll of one file a second."""

_NO_TERMINAL = (
    "the screen needs a terminal on stdin and stderr;"
    " use `ssh -t`, or a verb (`vmsnap-tui list`, `vmsnap-tui --help`)"
)
_DUMB_TERMINAL = (
    "TERM=dumb cannot show a screen;"
    " set TERM, or use a verb (`vmsnap-tui list`, `vmsnap-tui --help`)"
)


def refusal(*, stdin_is_tty: bool, stderr_is_tty: bool, term: str) -> str:
    """Why no screen can be shown here and what to do, or nothing."""
    if not (stdin_is_tty and stderr_is_tty):
        return _NO_TERMINAL
    return _DUMB_TERMINAL if term == "dumb" else ""


def stderr_encoding() -> str:
    """How Textual's output, which goes to the real stderr, is encoded."""
    stream = sys.__stderr__
    return (stream.encoding if stream is not None else None) or "ascii"


def watch_signals(leave: Callable[[int], None]) -> None:
    """Call `leave(128 + signal)` on SIGTERM and SIGHUP, from the running loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave, 128 + number)


def hung_up(descriptor: int) -> bool:
    """Whether the terminal behind the descriptor is gone."""
    poll = select.poll()
    poll.register(descriptor, 0)
    gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return any(event & gone for _, event in poll.poll(0))

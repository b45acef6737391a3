"""Signals: Ctrl-C once takes back in order, twice leaves at once, a lost line leaves.

The jobs of an operation belong to QEMU and its journal is on disk, so leaving at once
loses nothing: `recover` finishes it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vmsnap_tui.errors import ExitCode

HANGUP_CODE = 128 + signal.SIGHUP


class Interrupts:
    """What SIGINT and SIGTERM do at this moment."""

    def __init__(self) -> None:
        self.asked = False
        self._orderly: Callable[[], object] = lambda: None

    def watch(self, orderly: Callable[[], object]) -> None:
        """From now on the first signal calls `orderly`, in the running event loop."""
        self._orderly = orderly
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            # not through the loop: the line is gone, whatever the loop does
            signal.signal(signal.SIGHUP, _leave)

    @contextmanager
    def instead(self, orderly: Callable[[], object]) -> Iterator[None]:
        """Within: the first signal calls this one."""
        before, self._orderly = self._orderly, orderly
        try:
            yield
        finally:
            self._orderly = before

    async def answer(self) -> bool:
        """Whether the operator types yes; an end of input is no.

        Reads without a thread, which no signal could wake up.
        """
        loop = asyncio.get_running_loop()
        line: asyncio.Future[str] = loop.create_future()

        def read() -> None:
            loop.remove_reader(sys.stdin.fileno())
            line.set_result(sys.stdin.readline())

        loop.add_reader(sys.stdin.fileno(), read)
        try:
            return (await line).strip().lower() in {"y", "yes"}
        finally:
            loop.remove_reader(sys.stdin.fileno())

    def _on_signal(self) -> None:
        if self.asked:
            os._exit(ExitCode.INTERRUPTED)
        self.asked = True
        self._orderly()


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(HANGUP_CODE)

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from vmsnap_tui.cli.interrupts import Interrupts

_WAITING = """
import asyncio, sys
from vmsnap_tui.cli.interrupts import Interrupts

async def main():
    interrupts = Interrupts()
    interrupts.watch(lambda: print("asked", flush=True))
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_first_signal_calls_what_is_orderly_now() -> None:
    called = asyncio.Event()
    interrupts = Interrupts()
    interrupts.watch(lambda: pytest.fail("not this one"))
    try:
        with interrupts.instead(called.set):
            os.kill(os.getpid(), signal.SIGTERM)
            await called.wait()
        assert interrupts.asked
    finally:
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _waiting(first: Callable[[], object] | None = None) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITING],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=first,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_second_signal_leaves_at_once() -> None:
    with _waiting() as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_a_lost_line_leaves_at_once_and_undoes_nothing() -> None:
    with _waiting() as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        assert process.wait() == 129
        assert process.stdout.read() == ""


def test_nohup_is_respected() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with _waiting(first=ignore) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        process.kill()

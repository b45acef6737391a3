"""Start a lab of real QEMU machines and open the UI on it.

The machines run in a private directory and are gone with it afterwards. Guests boot
where a small kernel is to be had; without one the machines have no guest, and say so.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmsnap_tui.lab.lab import Lab

SUMMARY = "open the UI on a lab of real QEMU machines"


def configure(parser: ArgumentParser) -> None:
    """Nothing but the global options; `entry` runs it, as it needs the UI."""


@contextmanager
def lab_running(say: Callable[[str], None], *, guests: bool = True) -> Iterator["Lab"]:
    """A lab for as long as the block lasts, looked after by a thread of its own.

    The UI has an event loop of its own and does not share it; and machines die with
    the thread that started them, so that one stays until they are stopped.
    """
    import asyncio
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    from vmsnap_tui.lab.lab import Lab

    ready: Future[Lab] = Future()
    over: Future[None] = Future()

    async def look_after() -> None:
        async with Lab(say, guests=guests) as lab:
            ready.set_result(lab)
            await asyncio.wrap_future(over)

    with ThreadPoolExecutor(1, thread_name_prefix="lab") as thread:
        running = thread.submit(asyncio.run, look_after())
        try:
            pending: tuple[Future[Any], ...] = (ready, running)
            wait(pending, return_when=FIRST_COMPLETED)
            if not ready.done():
                running.result()
            yield ready.result()
        finally:
            over.set_result(None)
        running.result()

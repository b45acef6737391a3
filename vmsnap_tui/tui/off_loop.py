"""Blocking calls beside the event loop, in threads that never hold up the exit.

A thread of asyncio's own pool is waited for when the loop closes: a repository on
a dead NFS server would keep the terminal for ever.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def off_loop(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the call returns or raises; when cancelled, the thread is left behind."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle_now(settler: Callable[[], None]) -> None:
        if not answer.done():
            settler()

    def settle(settler: Callable[[], None]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle_now, settler)

    def work() -> None:
        try:
            result = call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - carried to who awaits it
            failure = error
            settle(lambda: answer.set_exception(failure))
        else:
            settle(lambda: answer.set_result(result))

    threading.Thread(target=work, name="off-loop", daemon=True).start()
    return await answer

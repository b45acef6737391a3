"""Blocking calls beside the loop."""

import asyncio
import threading

import pytest

from vmsnap_tui.tui.off_loop import off_loop


async def test_the_answer_comes_from_another_thread() -> None:
    assert await off_loop(threading.get_ident) != threading.get_ident()


async def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await off_loop(int, "x")


async def test_a_call_that_hangs_is_left_behind() -> None:
    over = threading.Event()
    waiting = asyncio.create_task(off_loop(over.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    over.set()

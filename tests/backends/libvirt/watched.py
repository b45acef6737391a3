"""A session, and all that it told."""

import asyncio
import threading
from collections.abc import Callable

from vmsnap_tui.backends.base import LinkChanged
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.session import Session
from vmsnap_tui.backends.libvirt.uri import parse_uri


class Watched:
    """Keeps what the session tells, and waits for what it is to tell."""

    def __init__(self, uri: str) -> None:
        self.heard: list[Heard] = []
        self.links: list[LinkChanged] = []
        self._more = asyncio.Event()
        self.session = Session(parse_uri(uri), self._hear, self._change)

    async def until(self, told: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not told():
                self._more.clear()
                await self._more.wait()

    def _hear(self, heard: Heard) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.heard.append(heard)
        self._more.set()

    def _change(self, change: LinkChanged) -> None:
        self.links.append(change)
        self._more.set()

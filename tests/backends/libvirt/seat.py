"""A reader at work, and what it asked for."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from tests.backends.libvirt.watched import Watched
from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.reader import Reader
from vmsnap_tui.backends.libvirt.side_line import SideLine
from vmsnap_tui.backends.libvirt.uri import parse_uri
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm, VmState

T = TypeVar("T")


class Counted:
    """A session that counts its calls by the name of what was called."""

    def __init__(self, watched: Watched) -> None:
        self.calls: list[str] = []
        self._session = watched.session

    @property
    def libvirt_version(self) -> tuple[int, int, int]:
        return self._session.libvirt_version

    @property
    def read_only(self) -> str:
        return self._session.read_only

    async def watch(self, function: Callable[..., T], *values: Any, **how: Any) -> T:
        self.calls.append(function.__name__)
        return await self._session.watch(function, *values, **how)

    async def act(self, function: Callable[..., T], *values: Any, **how: Any) -> T:
        self.calls.append(function.__name__)
        return await self._session.act(function, *values, **how)

    async def hypervisor_version(self) -> tuple[int, int, int]:
        return await self._session.hypervisor_version()


class CountedSide(SideLine):
    """A side line that counts among a session's calls."""

    def __init__(self, uri: str, calls: list[str]) -> None:
        super().__init__(parse_uri(uri))
        self._calls = calls

    async def ask(self, function: Callable[..., T], *values: Any, **how: Any) -> T:
        self._calls.append(function.__name__)
        return await super().ask(function, *values, **how)


class Seat:
    """A reader that hears what its session hears, as a backend would have it."""

    def __init__(self, uri: str) -> None:
        self.watched = Watched(uri)
        self.calls = Counted(self.watched)
        self._changed = asyncio.Event()
        local = parse_uri(uri).in_process
        side = None if local else CountedSide(uri, self.calls.calls)
        self.reader = Reader(self.calls, uri, _limits, self._change, side)
        self._passed_on = 0

    async def change(self) -> None:
        """Until the reader tells of something by itself."""
        await self._changed.wait()
        self._changed.clear()

    def _change(self, _uuid: str) -> None:
        self._changed.set()

    def catch_up(self) -> list[bool]:
        """Tell the reader all events that came; which of them it finds of interest."""
        new = self.watched.heard[self._passed_on :]
        self._passed_on += len(new)
        return [self.reader.heard(event) for event in new]

    async def until(self, told: Callable[[Heard], bool]) -> None:
        await self.watched.until(lambda: any(map(told, self.watched.heard)))
        self.catch_up()

    async def vm(self, name: str = "web-01") -> Vm:
        return next(vm for vm in await self.reader.read() if vm.name == name)


def _limits(vm: Vm, _definition: object) -> tuple[Limit, ...]:
    off = vm.state is VmState.OFF
    return (Limit(Ability.BACKUP, "it is off"),) if off else ()

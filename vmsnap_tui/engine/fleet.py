"""All connections of one engine, and what was last read from each.

Events first: a machine is read again when its hypervisor says that something changed.
What QEMU tells to nobody unasked is looked at while somebody listens: the progress of
jobs twice a second while there are any, the bytes changed since a point now and then.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from vmsnap_tui.backends.base import Backend, Link, LinkChanged, VmChanged, WireHeard
from vmsnap_tui.engine.events import ConnectionView, EngineEvent, JobsMoved
from vmsnap_tui.engine.meters import Meters
from vmsnap_tui.errors import NoConnection
from vmsnap_tui.model.vm import Vm

JOB_POLL_S = 0.5
GLANCE_S = 5.0
"""Often enough for a number that a guest's writes move, and nothing on a core."""
SETTLE_S = 0.05
"""Events come in bursts; one read answers a burst."""
RETRY_S = 2.0

Publish = Callable[[EngineEvent], None]
Titles = Callable[[], dict[str, str]]


class Connection:
    """One backend and the last good read of it."""

    def __init__(
        self, backend: Backend, publish: Publish, changed: Callable[[], None]
    ) -> None:
        self.backend = backend
        self.view = ConnectionView(backend.uri, Link.CONNECTING)
        self._publish = publish
        self._changed = changed
        self._dirty = asyncio.Event()
        self._opened = asyncio.Event()
        self._open_lock = asyncio.Lock()
        self._read_lock = asyncio.Lock()
        self._with_jobs: set[str] = set()

    async def connect(self, *, glance: bool = False) -> None:
        """Open and read; a failure becomes the view's reason. An opening that takes
        its time is waited for, and not begun a second time."""
        async with self._open_lock:
            if self.backend.link is not Link.UP:
                try:
                    await self.backend.open()
                except NoConnection as error:
                    self._show(replace(self.view, link=Link.DOWN, reason=str(error)))
                    return
        self._opened.set()
        await self.read(glance=glance)

    async def read(self, *, glance: bool = False) -> tuple[Vm, ...]:
        """The machines as they are now; the last good ones when that fails."""
        look = self.backend.glance if glance else self.backend.read
        async with self._read_lock:
            try:
                vms = await look()
            except NoConnection as error:
                link = self.backend.link
                down = Link.DOWN if link is Link.UP else link
                self._show(replace(self.view, link=down, reason=str(error)))
            else:
                # The link may have gone while the last answer was on its way here.
                up = self.backend.link is Link.UP
                before = self.view if not up else ConnectionView(self.view.uri, Link.UP)
                self._show(replace(before, vms=vms))
        return self.view.vms

    async def look(self, vm: str, *, inspect: bool = False) -> Vm:
        """One machine as it is now, with all that can be told of it; the view shows it
        too. Raises NoConnection, NotFound."""
        look = self.backend.inspect if inspect else self.backend.look
        seen = await look(vm)
        vms = tuple(seen if v.key == seen.key else v for v in self.view.vms)
        self._show(replace(self.view, vms=vms))
        return seen

    async def watch(self, meters: Meters, titles: Titles) -> None:
        """Listen and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._keep_fresh(meters, titles))

    async def _listen(self) -> None:
        events = self.backend.events()
        while self.backend.link is not Link.UP and not self.view.vms:
            if not await self._came_up(RETRY_S):
                await self.connect()
        async for event in events:
            match event:
                case LinkChanged(link, reason):
                    self._show(replace(self.view, link=link, reason=reason))
                    self._dirty.set()
                case VmChanged():
                    self._dirty.set()
                case WireHeard():
                    self._publish(event)
                case _:
                    assert_never(event)

    async def _came_up(self, limit_s: float) -> bool:
        """Whether somebody else has opened it by then; what happens there is heard
        from that moment on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._opened.wait()
        came_up = self._opened.is_set()
        self._opened.clear()
        return came_up

    async def _keep_fresh(self, meters: Meters, titles: Titles) -> None:
        while True:
            timeout = JOB_POLL_S if self._with_jobs else GLANCE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._dirty.wait()
            heard = self._dirty.is_set()
            if heard:
                await asyncio.sleep(SETTLE_S)
                self._dirty.clear()
            if self.backend.link is Link.UP:
                await self.read(glance=not heard)
                self._measure(meters, titles)

    def _measure(self, meters: Meters, titles: Titles) -> None:
        for vm in self.view.vms:
            if vm.jobs or vm.key in self._with_jobs:
                views = meters.feed(vm, time.monotonic(), titles())
                self._publish(JobsMoved(vm.key, views))
            if vm.jobs:
                self._with_jobs.add(vm.key)
            else:
                self._with_jobs.discard(vm.key)

    def _show(self, view: ConnectionView) -> None:
        if view != self.view:
            self.view = view
            self._changed()

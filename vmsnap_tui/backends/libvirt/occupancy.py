"""Who holds how many calls, so that one hung machine does not take them all.

A QEMU that hangs keeps every call on its domain waiting, some for ever. So a domain
gets at most two of a lane's four threads, and none more while one of its calls is
overdue.
"""

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

from vmsnap_tui.errors import StepFailed

CALLS_PER_DOMAIN = 2


class Occupied(StepFailed):
    """The call was not made, as an earlier one on the same machine has not returned."""


class Slot:
    """The right to one call on a domain; without a domain it is given at once."""

    def __init__(self, turns: asyncio.Semaphore | None) -> None:
        self._turns = turns

    def release(self) -> None:
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.release()


class Occupancy:
    """Which calls of which domain are under way, and which ought to have returned."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = (
            WeakValueDictionary()
        )
        self._overdue: dict[str, list[tuple[str, float]]] = {}

    async def enter(self, lane: str, domain: str, limit_s: float, doing: str) -> Slot:
        """Wait for a turn. Raises Occupied at once while a call is overdue, and when
        no turn came in time; nothing was sent then."""
        if not domain:
            return Slot(None)
        self._refuse(domain, doing)
        turns = self._turns.setdefault(
            (lane, domain), asyncio.Semaphore(CALLS_PER_DOMAIN)
        )
        taken = False
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                taken = await turns.acquire()
        slot = Slot(turns if taken else None)
        try:
            self._refuse(domain, doing)
        except Occupied:
            slot.release()
            raise
        if not taken:
            raise _occupied(f"{doing}: no turn within {limit_s:g} s")
        return slot

    def miss(self, domain: str, doing: str) -> None:
        """A call on the domain did not return in time."""
        now_s = asyncio.get_running_loop().time()
        self._overdue.setdefault(domain, []).append((doing, now_s))

    def find(self, domain: str, doing: str) -> None:
        """A call that was missed has returned after all."""
        calls = self._overdue[domain]
        calls.remove(next(call for call in calls if call[0] == doing))
        if not calls:
            del self._overdue[domain]

    def _refuse(self, domain: str, doing: str) -> None:
        if domain in self._overdue:
            missed, at_s = self._overdue[domain][0]
            ago_s = asyncio.get_running_loop().time() - at_s
            raise _occupied(
                f"{doing}: {missed} ought to have returned {ago_s:.0f} s ago"
            )


def _occupied(evidence: str) -> Occupied:
    return Occupied(
        "the machine does not answer an earlier call",
        evidence=evidence,
        remedy="see whether its QEMU is stopped or hangs on its storage (state D)",
    )

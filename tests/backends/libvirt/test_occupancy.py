"""One machine's calls do not take the turns of all others."""

import asyncio

import pytest

from vmsnap_tui.backends.libvirt.occupancy import (
    CALLS_PER_DOMAIN,
    Occupancy,
    Occupied,
)


async def test_a_domain_has_two_turns_of_a_lane_and_others_have_theirs() -> None:
    occupancy = Occupancy()
    slots = [
        await occupancy.enter("watch", "a", 1, "x") for _ in range(CALLS_PER_DOMAIN)
    ]
    with pytest.raises(Occupied) as caught:
        await occupancy.enter("watch", "a", 0.01, "list")
    assert "list: no turn within 0.01 s" in caught.value.evidence
    await occupancy.enter("watch", "b", 0, "x")
    await occupancy.enter("act", "a", 0, "x")
    slots[0].release()
    slots[0].release()
    await occupancy.enter("watch", "a", 0.01, "x")
    with pytest.raises(Occupied):
        await occupancy.enter("watch", "a", 0.01, "x")


async def test_what_waits_gets_its_turn_when_one_is_given_back() -> None:
    occupancy = Occupancy()
    slots = [
        await occupancy.enter("watch", "a", 1, "x") for _ in range(CALLS_PER_DOMAIN)
    ]
    waiting = asyncio.create_task(occupancy.enter("watch", "a", 30, "x"))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots[0].release()
    await waiting


async def test_calls_of_no_domain_need_no_turn() -> None:
    occupancy = Occupancy()
    for _ in range(20):
        await occupancy.enter("watch", "", 0, "x")


async def test_a_domain_is_refused_until_all_overdue_calls_have_returned() -> None:
    occupancy = Occupancy()
    occupancy.miss("a", "first")
    occupancy.miss("a", "second")
    for returned in ("second", "first"):
        with pytest.raises(Occupied) as caught:
            await occupancy.enter("act", "a", 30, "backup")
        assert caught.value.evidence.startswith("backup: first ought to have returned")
        occupancy.find("a", returned)
    await occupancy.enter("act", "a", 0, "backup")


async def test_what_waits_is_refused_once_a_call_is_overdue() -> None:
    occupancy = Occupancy()
    slots = [
        await occupancy.enter("watch", "a", 1, "x") for _ in range(CALLS_PER_DOMAIN)
    ]
    waiting = asyncio.create_task(occupancy.enter("watch", "a", 30, "x"))
    await asyncio.sleep(0)
    occupancy.miss("a", "x")
    slots[0].release()
    with pytest.raises(Occupied):
        await waiting
    occupancy.find("a", "x")
    await occupancy.enter("watch", "a", 0, "x")

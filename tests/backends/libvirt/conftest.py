"""What the tests of libvirt's reader share."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.backends.libvirt.seat import Seat
from vmsnap_tui.lab.domains import Domain


@pytest.fixture
async def sit() -> AsyncIterator[Callable[[Domain], Any]]:
    seats: list[Seat] = []

    async def make(domain: Domain) -> Seat:
        seats.append(Seat(domain.connection))
        await seats[-1].watched.session.open()
        return seats[-1]

    yield make
    for seat in seats:
        await seat.reader.close()
        await seat.watched.session.close()

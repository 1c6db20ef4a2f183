"""A live session is charged after whatever it was cancelled out of, never beside it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.accounts.limits import RateLimit
from gateway.accounts.live_session import LiveSession
from gateway.accounts.terms import Charge, Grant, Need, Settlement, Terms
from gateway.accounts.tiers import Allowance

CREDITS = Allowance(unit="credits", amount=0)
LIMIT = RateLimit(CREDITS, 100, None)


class SlowStore:
    """Transactions that note their beginnings and ends; one that holds more waits for `released`."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.released = asyncio.Event()

    async def hold(self, terms: Terms, grant: Grant, need: Need) -> Grant:
        self.noted.append("hold begins")
        await self.released.wait()
        self.noted.append("hold ends")
        return replace(grant, held=need.wanted)

    async def settle(self, terms: Terms, grant: Grant, charge: Charge) -> Settlement:
        self.noted.append("settle")
        return Settlement(LIMIT)


async def test_the_charge_waits_for_a_hold_that_its_client_left() -> None:
    store = SlowStore()
    grant = Grant("lease", CREDITS.period(0.0), held=10, limit=LIMIT, expires_at=float("inf"))
    session = LiveSession(store, Terms("somebody", "transcription", CREDITS, 1), grant)  # type: ignore[arg-type]
    await session.meter(5.0)
    metering = asyncio.create_task(session.meter(700.0))
    while "hold begins" not in store.noted:
        await asyncio.sleep(0)
    metering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await metering
    ending = asyncio.create_task(session.end())
    for _ in range(20):
        await asyncio.sleep(0)
    store.released.set()
    await ending

    assert store.noted == ["hold begins", "hold ends", "settle"]

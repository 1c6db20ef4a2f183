"""Admission of a live stream: counted as it runs, minute by minute, and charged for what was heard however it ends."""

from __future__ import annotations

import asyncio
import math

from gateway.accounts.admission import Admission, TimeSource
from gateway.accounts.terms import Grant, Need, Terms
from gateway.accounts.tiers import SECONDS_A_MINUTE
from gateway.accounts.transactions import AccountTransactions
from gateway.concurrency import run_together
from gateway.errors import TooManyRequests, Unavailable

MINUTES_AHEAD = 1  # held beyond the minute that runs: on them a session goes on while the store is unavailable
LONGEST_WAIT = 1.0  # seconds that audio which is paid for waits for the store
RETRY_AHEAD = 5.0  # seconds until the minutes ahead are asked for again


class LiveSession(Admission):
    def __init__(
        self,
        transactions: AccountTransactions,
        terms: Terms,
        grant: Grant,
        time_source: TimeSource | None = None,
        longest: float = math.inf,
    ) -> None:
        super().__init__(transactions, terms, grant, time_source)
        self._longest = longest  # seconds
        self._began = self._time_source.clock()
        self._seconds = 0.0  # of audio that was let in
        self._asked = 0  # minutes that were asked for and granted as far as they were left
        self._told = 0  # minor units that the store knows as used, to be charged if the lease lapses
        self._extension: asyncio.Task[None] | None = None
        self._ask_again = -math.inf  # seconds since 1970

    async def meter(self, seconds: float) -> None:
        """Call before each piece of audio is worked on. seconds: of audio so far, that piece included

        raises: PaymentRequired, TooManyRequests, Unavailable; the session has to end here
        """
        if max(seconds, self._time_source.clock() - self._began) > self._longest:
            minutes = round(self._longest / SECONDS_A_MINUTE)
            raise TooManyRequests(f"A live session lasts at most {minutes} minutes in this tier.", 1)
        allowance = self._terms.allowance
        cost, minutes = allowance.cost(seconds), math.ceil(seconds / SECONDS_A_MINUTE) + MINUTES_AHEAD
        minute = allowance.cost(SECONDS_A_MINUTE)
        need = Need(cost, allowance.cost(minutes * SECONDS_A_MINUTE), allowance.cost(self._seconds))
        if cost > self._grant.held:
            await self._extended()
            if cost > self._grant.held:
                await self._patiently(lambda: self._extend(need, minutes))
        elif (need.wanted > self._grant.held and minutes > self._asked) or need.used - self._told >= minute:
            await self._hold_ahead(need, minutes)
        self._seconds = max(self._seconds, seconds)

    async def end(self) -> None:
        if self._extension is not None:
            await asyncio.gather(self._extension, return_exceptions=True)
        await self._quiet()
        if self._seconds > 0:
            await self.settle_delivered(self._seconds)
        await super().end()

    async def _hold_ahead(self, need: Need, minutes: int) -> None:
        """What runs is held already, so the store is waited for once and shortly: the audio is live."""
        longest = 0.0
        if self._extension is None:
            if self._time_source.clock() < self._ask_again:
                return
            self._extension = asyncio.create_task(self._extend(need, minutes))
            longest = LONGEST_WAIT
        await self._extended(longest)

    async def _extended(self, longest: float = math.inf) -> None:
        """Wait for the minutes ahead, if they are being asked for. longest: seconds

        raises: PaymentRequired, TooManyRequests where the lease lapsed and nothing is left
        """
        if self._extension is None:
            return
        if longest == math.inf:
            await asyncio.wait((self._extension,))
        elif longest > 0:
            async with run_together(self._time_source.pause(longest)) as (pause,):
                await asyncio.wait((self._extension, pause), return_when=asyncio.FIRST_COMPLETED)
        if not self._extension.done():
            return
        extension, self._extension = self._extension, None
        try:
            extension.result()
        except Unavailable:
            self._ask_again = self._time_source.clock() + RETRY_AHEAD

    async def _extend(self, need: Need, minutes: int) -> None:
        await self._hold(need)
        self._asked, self._told = minutes, need.used

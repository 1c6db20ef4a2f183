"""Admission of one piece of work, from the first check to the charge.

async with accounts.admit(caller) as admission:      # a slot is taken, something is held
    await admission.hold(probed)                     # enough for the whole recording, or 402 / 429
    …
    await admission.settle(recording.duration)       # charged; without this, everything is given back
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.accounts.idempotency import IdempotentResult, StoredResponse
from gateway.accounts.limits import RateLimit
from gateway.accounts.tiers import SECONDS_A_MINUTE
from gateway.accounts.transactions import AccountTransactions, Charge, Grant, Need, Terms
from gateway.errors import BadParameter, ServiceError, TooManyRequests

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Admission:
    """One lease and what it holds. Transactions on it run one after the other, and to their end: a
    request that is cancelled in the middle of one never leaves it half told."""

    def __init__(self, transactions: AccountTransactions, terms: Terms, grant: Grant) -> None:
        self._transactions = transactions
        self._terms = terms
        self._grant = grant
        self._settled = False
        self._last: asyncio.Task[Any] | None = None

    @property
    def limit(self) -> RateLimit:
        """What was left at the last decision; its headers belong on the answer."""
        return self._grant.limit

    @property
    def by_duration(self) -> bool:
        """Whether a longer recording costs more, so that its length has to be known before the work."""
        return self._terms.allowance.by_duration

    @property
    def repeatable(self) -> bool:
        """Whether the request carries an Idempotency-Key, so that it may come again and gets the same response."""
        return self._terms.idempotency_key is not None

    def recall(self, fingerprint: str) -> StoredResponse | None:
        """The response that was stored under this request's Idempotency-Key, if any.

        fingerprint: hash of what was asked: the file and the options
        raises: BadParameter where the key was used for something else
        """
        record = self._grant.record
        if record is None or record.response is None:
            return None
        if record.fingerprint != fingerprint:
            raise BadParameter("This Idempotency-Key was used for another file or other options; use a new one.")
        return record.response

    async def hold(self, seconds: float) -> None:
        """Hold enough for so much audio. raises: PaymentRequired, TooManyRequests"""
        cost = self._terms.allowance.cost(seconds)
        if cost > self._grant.held:
            self._grant = await self._run(self._transactions.hold(self._terms, self._grant, Need(cost, cost)))

    async def settle(self, seconds: float, result: IdempotentResult | None = None) -> None:
        """Charge for so much audio and store the response for a repeated request.

        raises: as `hold`, where it was more than was held and is not left
        """
        if self._settled:
            return
        charge = Charge(self._terms.allowance.cost(seconds), round(seconds * 1000), result)
        limit = await self._run(self._settle(charge))
        self._grant = Grant(self._grant.lease, self._grant.period, 0, limit)

    async def end(self) -> None:
        """Give back what was not settled; after a settle there is nothing to do."""
        await self._quiet()
        if self._settled:
            return
        try:
            await self._transactions.release(self._terms.subject, self._grant.lease)
        except ServiceError:
            log.warning("the store is away; what admission %s holds returns when its lease ends", self.id)

    @property
    def id(self) -> str:
        return self._grant.lease

    async def _settle(self, charge: Charge) -> RateLimit:
        limit = await self._transactions.settle(self._terms, self._grant, charge)
        self._settled = True
        return limit

    async def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.ensure_future(work)
        self._last = task
        return await asyncio.shield(task)

    async def _quiet(self) -> None:
        """Wait for a transaction that its caller was cancelled out of."""
        if self._last is not None:
            await asyncio.gather(self._last, return_exceptions=True)


class LiveSession(Admission):
    """A live stream: counted as it runs, minute by minute, and charged for what was heard however it ends."""

    def __init__(
        self, transactions: AccountTransactions, terms: Terms, grant: Grant, longest: float = math.inf
    ) -> None:
        super().__init__(transactions, terms, grant)
        self._longest = longest  # seconds
        self._seconds = 0.0

    async def meter(self, seconds: float) -> None:
        """Call before each piece of audio is worked on. seconds: of audio so far, that piece included

        raises: PaymentRequired, TooManyRequests; the session has to end here
        """
        if seconds > self._longest:
            minutes = round(self._longest / SECONDS_A_MINUTE)
            raise TooManyRequests(f"A live session lasts at most {minutes} minutes in this tier.", 1)
        allowance, held = self._terms.allowance, self._grant.held
        least = allowance.cost(seconds)
        if least > held:
            minutes = math.ceil(seconds / SECONDS_A_MINUTE)
            need = Need(least, allowance.cost(minutes * SECONDS_A_MINUTE), used=held)
            work = self._transactions.hold(self._terms, self._grant, need)
            self._grant = await self._run(work)
        self._seconds = max(self._seconds, seconds)

    async def end(self) -> None:
        await self._quiet()
        if self._seconds > 0:
            with contextlib.suppress(ServiceError):
                await self.settle(self._seconds)
        await super().end()

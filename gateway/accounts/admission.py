"""Admission of one piece of work, from the first check to the charge.

async with accounts.admit(caller) as admission:      # a slot is taken, something is held
    await admission.hold(probed)                     # enough for the whole recording, or 402 / 429
    …
    await admission.settle(recording.duration)       # charged; without this, everything is given back

While the store is unavailable, transactions are made again until the lease ends: work that was done is not
thrown away because a database restarts.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.accounts.idempotency import IdempotentResult, StoredResponse, packed
from gateway.accounts.limits import RateLimit
from gateway.accounts.terms import Charge, Grant, Need, Settlement, Terms
from gateway.accounts.transactions import AccountTransactions
from gateway.errors import ServiceError, Unavailable

FIRST_RETRY = 0.1  # seconds; doubles
LONGEST_RETRY = 2.0  # seconds
LEAST_ATTEMPTS = 3  # also where the lease is over: a process that stood still finds its connections dead at first

log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TimeSource:
    clock: Callable[[], float] = time.time  # seconds since 1970
    pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep  # for so many seconds


class Admission:
    """One lease and what it holds. Transactions on it run one after the other, and to their end: a
    request that is cancelled in the middle of one never leaves it half told."""

    def __init__(
        self, transactions: AccountTransactions, terms: Terms, grant: Grant, time_source: TimeSource | None = None
    ) -> None:
        self._transactions = transactions
        self._terms = terms
        self._grant = grant
        self._time_source = time_source or TimeSource()
        self._settled = False
        self._unpaid: Charge | None = None  # for what the client has already
        self._last: asyncio.Task[Any] | None = None

    @property
    def id(self) -> str:
        return self._grant.lease

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
        return self._terms.key is not None

    @property
    def affordable(self) -> float:
        """Seconds of the longest recording that could be held now: a longer one need not be decoded."""
        return self._terms.allowance.seconds(self._grant.held + max(0, self.limit.left))

    def recall(self, fingerprint: str) -> StoredResponse | None:
        """The response that was stored under this request's Idempotency-Key, if any.

        fingerprint: hash of what was asked: the file and the options
        raises: BadParameter where the key was used for something else
        """
        record = self._grant.record
        return None if record is None else record.response_to(fingerprint)

    async def hold(self, seconds: float) -> None:
        """Hold enough for so much audio. raises: PaymentRequired, TooManyRequests; Unavailable when the lease ends"""
        cost = self._terms.allowance.cost(seconds)
        if cost > self._grant.held:
            await self._patiently(lambda: self._hold(Need(cost, cost)))

    async def settle(self, seconds: float, result: IdempotentResult | None = None) -> StoredResponse | None:
        """Charge for so much audio and store the response for a repeated request.

        returns: the response to give instead, where the same request was settled meanwhile: its charge is the only one
        raises: as `hold`, where it was more than was held and is not left
        """
        record = None if result is None else await asyncio.to_thread(packed, self.id, result)
        charge = Charge(self._terms.allowance.cost(seconds), round(seconds * 1000), record)
        earlier = (await self._charge(charge)).earlier
        return None if earlier is None or result is None else earlier.response_to(result.fingerprint)

    async def settle_delivered(self, seconds: float) -> None:
        """Charge for so much audio whose text the client has already, as far as the cost is left.

        Where the store is unavailable until the lease ends, or the caller is cancelled, the charge stays `unpaid`.
        """
        if self._settled or self._unpaid is not None:
            return
        cost = self._terms.allowance.cost(seconds)
        self._unpaid = Charge(cost, round(seconds * 1000), as_far_as_possible=True)
        try:
            await self._charge(self._unpaid)
        except Unavailable as error:
            log.warning("%s is charged when the store is back: %s", self.describe_unpaid(), error.__cause__)

    @property
    def unpaid(self) -> bool:
        """Whether something is due for what the client has."""
        return self._unpaid is not None and not self._settled

    async def pay(self) -> None:
        """Try once to charge what is unpaid. raises: Unavailable"""
        if self._unpaid is not None and not self._settled:
            await self._run(self._settle(self._unpaid))

    def describe_unpaid(self) -> str:
        seconds = self._unpaid.milliseconds / 1000 if self._unpaid else 0.0
        return f"admission {self.id} of {self._terms.subject}, {seconds:.0f} s of audio"

    async def end(self) -> None:
        """Give back what was not settled; after a settle there is nothing to do."""
        await self._quiet()
        if self._settled or self.unpaid:
            return
        try:
            await self._transactions.release(self._terms.subject, self._grant.lease)
        except ServiceError:
            log.warning("the store is unavailable; what admission %s holds returns when its lease ends", self.id)

    def renewed(self, until: float) -> None:
        """Its lease ends later. until: seconds since 1970"""
        self._grant = replace(self._grant, expires_at=max(until, self._grant.expires_at))

    async def _hold(self, need: Need) -> None:
        granted = await self._transactions.hold(self._terms, self._grant, need)
        self._grant = replace(granted, expires_at=max(granted.expires_at, self._grant.expires_at))

    async def _charge(self, charge: Charge) -> Settlement:
        if self._settled:
            return Settlement(self.limit)
        return await self._patiently(lambda: self._settle(charge))

    async def _settle(self, charge: Charge) -> Settlement:
        settlement = await self._transactions.settle(self._terms, self._grant, charge)
        self._settled = True
        self._grant = replace(self._grant, held=0, limit=settlement.limit)
        return settlement

    async def _patiently(self, transaction: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Made again while the store is unavailable, until the lease ends. raises: Unavailable, then"""
        wait, attempts = FIRST_RETRY, 0
        while True:
            attempts += 1
            try:
                return await self._run(transaction())
            except Unavailable:
                if attempts >= LEAST_ATTEMPTS and self._time_source.clock() + wait >= self._grant.expires_at:
                    raise
            level = logging.WARNING if attempts == 1 else logging.DEBUG
            log.log(level, "the store is unavailable; admission %s asks again", self.id)
            await self._time_source.pause(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, LONGEST_RETRY)

    async def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.ensure_future(work)
        self._last = task
        return await asyncio.shield(task)

    async def _quiet(self) -> None:
        """Wait for a transaction that its caller was cancelled out of."""
        if self._last is not None:
            await asyncio.gather(self._last, return_exceptions=True)

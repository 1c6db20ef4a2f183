"""How often a caller may ask, whatever becomes of it: a token bucket for each, in this process alone.

Requests that are refused or fail cost their caller nothing, but each costs the account store transactions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import TooManyRequests

BURST_SECONDS = 20.0  # worth of requests that may come at once
MOST_CALLERS = 50_000  # that are remembered; those that asked least lately are forgotten


@dataclass(slots=True)
class TokenBucket:
    tokens: float  # requests that may come now
    at: float  # seconds, monotonic


class RequestRates:
    def __init__(self, clock: Callable[[], float] = time.monotonic, most_callers: int = MOST_CALLERS) -> None:
        self._clock = clock
        self._most_callers = most_callers
        self._buckets: dict[str, TokenBucket] = {}  # by caller, in the order in which they asked last

    def take(self, caller: str, rate: float | None) -> None:
        """rate: requests a second; None: as many as come. raises: TooManyRequests"""
        if rate is None:
            return
        now, most = self._clock(), rate * BURST_SECONDS
        bucket = self._buckets.pop(caller, None) or TokenBucket(most, now)
        self._buckets[caller] = bucket
        if len(self._buckets) > self._most_callers:
            del self._buckets[next(iter(self._buckets))]
        bucket.tokens = min(most, bucket.tokens + rate * (now - bucket.at))
        bucket.at = now
        if bucket.tokens < 1:
            message = f"At most {rate:g} requests a second are accepted in this tier."
            raise TooManyRequests(message, (1 - bucket.tokens) / rate)
        bucket.tokens -= 1

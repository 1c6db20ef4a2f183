"""What is left to a caller, as response headers and as refusals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.accounts.tiers import SECONDS_A_MINUTE, Allowance, BillingPeriod
from gateway.errors import PaymentRequired, ServiceError, TooManyRequests

CREDITS_HEADER = "X-Credits-Remaining"
SLOT_RETRY_SECONDS = 5  # when to ask again for a slot; nobody knows how long the others' work takes


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One allowance after a decision about it, in the unit that callers read."""

    allowance: Allowance
    left: int  # minor units
    resets_in: int | None  # seconds; None for credits, which never come back by themselves

    def headers(self) -> dict[str, str]:
        left = str(max(0, self.allowance.shown(self.left)))
        if self.resets_in is None:
            return {CREDITS_HEADER: left}
        return {
            "RateLimit-Limit": str(self.allowance.amount),
            "RateLimit-Remaining": left,
            "RateLimit-Reset": str(self.resets_in),
        }


def rate_limit(allowance: Allowance, period: BillingPeriod, left: int, now: float) -> RateLimit:
    if period.resets_at is None:
        return RateLimit(allowance, left, None)
    return RateLimit(allowance, left, max(0, math.ceil(period.resets_at - now)))


def shortage(limit: RateLimit, needed: int) -> ServiceError:
    """402 where more can be bought, 429 where more comes with time. needed: minor units"""
    allowance, headers = limit.allowance, limit.headers()
    left = max(0, limit.left)
    if limit.resets_in is None:
        if left == 0:
            return PaymentRequired("No credits remaining. Upgrade your plan.", headers)
        return PaymentRequired(
            f"This needs {needed} credits (1 for each minute of audio, rounded up); {left} remaining.",
            headers,
        )
    every = "today" if allowance.every == "day" else "this month"
    message = f"The limit of {allowance.amount} {allowance.unit} is used up {every}."
    if left > 0 and allowance.unit == "minutes":
        message = f"This needs {_minutes(needed)} minutes; {_minutes(left)} of {allowance.amount} remain {every}."
    return TooManyRequests(message, limit.resets_in, headers)


def no_slot(at_once: int) -> ServiceError:
    headers = {
        "RateLimit-Limit": str(at_once),
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": str(SLOT_RETRY_SECONDS),
    }
    return TooManyRequests(f"At most {at_once} at once; wait for one to end.", SLOT_RETRY_SECONDS, headers)


def _minutes(seconds: int) -> str:
    return f"{seconds / SECONDS_A_MINUTE:.1f}"

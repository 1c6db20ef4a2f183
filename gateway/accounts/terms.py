"""What is agreed between an admission and the store: terms, a grant, its rise, its charge, its settlement."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.accounts.idempotency import IdempotencyKey, IdempotencyRecord
from gateway.accounts.leases import Kind
from gateway.accounts.limits import RateLimit
from gateway.accounts.tiers import Allowance, BillingPeriod


@dataclass(frozen=True, slots=True)
class Terms:
    """What an admission asks for, and on which allowance."""

    subject: str
    kind: Kind
    allowance: Allowance
    at_once: int
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted: a lease, what it holds, and what is left after it."""

    lease: str  # id of the admission
    period: BillingPeriod
    held: int  # minor units, what was taken before by lapses included
    limit: RateLimit
    expires_at: float  # seconds since 1970
    record: IdempotencyRecord | None = None  # of an earlier request under the same Idempotency-Key


@dataclass(frozen=True, slots=True)
class Need:
    """How much an admission shall have in all, in minor units."""

    least: int
    wanted: int  # where it is left
    used: int = 0  # of it, what a live session has already had


@dataclass(frozen=True, slots=True)
class Charge:
    cost: int  # minor units, of the whole admission
    milliseconds: int  # of audio
    record: IdempotencyRecord | None = None  # to be stored
    as_far_as_possible: bool = False  # the work was delivered as it ran: take what is left of the cost


@dataclass(frozen=True, slots=True)
class Settlement:
    limit: RateLimit
    earlier: IdempotencyRecord | None = None  # another admission settled the same request: nothing was charged

"""Keys, tiers, credits and limits."""

from gateway.accounts.accounts import AccountPolicy, Accounts
from gateway.accounts.admission import Admission, TimeSource
from gateway.accounts.callers import Caller, Credentials
from gateway.accounts.idempotency import IdempotentResult, StoredResponse
from gateway.accounts.limits import RateLimit
from gateway.accounts.live_session import LiveSession

__all__ = [
    "AccountPolicy",
    "Accounts",
    "Admission",
    "Caller",
    "Credentials",
    "IdempotentResult",
    "LiveSession",
    "RateLimit",
    "StoredResponse",
    "TimeSource",
]

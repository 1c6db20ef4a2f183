"""Keys, tiers, credits and limits."""

from gateway.accounts.accounts import AccountPolicy, Accounts
from gateway.accounts.admission import Admission, LiveSession
from gateway.accounts.callers import Caller, Credentials
from gateway.accounts.idempotency import IdempotentResult, StoredResponse
from gateway.accounts.limits import RateLimit

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
]

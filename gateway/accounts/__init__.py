"""Keys, tiers, credits and limits."""

from gateway.accounts.accounts import Accounts, Policy
from gateway.accounts.admission import Admission, LiveSession
from gateway.accounts.callers import Caller, Presented
from gateway.accounts.idempotency import Answer
from gateway.accounts.limits import RateLimit

__all__ = ["Accounts", "Admission", "Answer", "Caller", "LiveSession", "Policy", "Presented", "RateLimit"]

"""From settings to the account store and the policy on it."""

from __future__ import annotations

from gateway.accounts.accounts import Accounts, Policy
from gateway.accounts.callers import trusted_networks
from gateway.accounts.database import Database
from gateway.accounts.tiers import load_tiers
from gateway.settings import Settings

FILE = "accounts.db"


def open_database(settings: Settings, *, durable: bool = False) -> Database:
    """raises: ValueError"""
    url = settings.accounts.database.get_secret_value()
    return Database(url or f"sqlite:///{settings.server.data / FILE}", durable=durable)


def open_accounts(settings: Settings) -> Accounts:
    """raises: ValueError, saying which setting cannot be used"""
    policy = Policy(
        tiers=load_tiers(settings.accounts.tiers),
        proxies=trusted_networks(settings.accounts.trusted_proxies),
        lease_seconds=settings.accounts.lease_seconds,
    )
    return Accounts(open_database(settings), policy)

"""From settings to the account store and the policy on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.accounts.accounts import AccountPolicy, Accounts
from gateway.accounts.callers import trusted_networks
from gateway.accounts.database import Database, driver_url
from gateway.accounts.local_access import LocalAccess, is_loopback
from gateway.accounts.tiers import ANONYMOUS, Tier, load_tiers
from gateway.errors import Unavailable
from gateway.settings import AccountSettings, Settings

FILE = "accounts.db"
AUTO = "auto"
UNLIMITED = "unlimited"


class AccountsFailed(Exception):
    """The store or the settings of the accounts cannot be used; the text says why."""


async def check_store(settings: Settings) -> None:
    """Before anything slow starts. raises: AccountsFailed"""
    try:
        async with open_accounts(settings):
            pass
    except Unavailable as problem:
        raise AccountsFailed(f"the account store cannot be opened: {problem.__cause__}") from problem
    except ValueError as problem:
        raise AccountsFailed(str(problem)) from problem


def store_file(settings: Settings) -> Path | None:
    """The file of the account store; None where it is no file. Raises ValueError."""
    url = driver_url(settings.accounts.database.get_secret_value() or f"sqlite:///{settings.server.data / FILE}")
    return Path(url.database or "").absolute() if url.drivername == "sqlite" else None


def open_database(settings: Settings, *, durable: bool = False) -> Database:
    """raises: ValueError"""
    url = settings.accounts.database.get_secret_value()
    return Database(url or f"sqlite:///{settings.server.data / FILE}", durable=durable)


def open_accounts(settings: Settings) -> Accounts:
    """raises: ValueError, saying which setting cannot be used"""
    policy = read_policy(settings.accounts)
    return Accounts(open_database(settings), replace(policy, local=local_access(settings, policy.tiers)))


def local_access(settings: Settings, tiers: Mapping[str, Tier]) -> LocalAccess:
    """A service that listens on a loopback address, and stands behind no proxy, is open to the machine's own user."""
    chosen = settings.accounts
    is_open = chosen.anonymous == AUTO and is_loopback(settings.server.host) and not chosen.trusted_proxies
    origins = [origin for origin in settings.server.cors_origins if origin != "*"]
    return LocalAccess(tiers.get(UNLIMITED) or load_tiers()[UNLIMITED], is_open, origins)


def read_policy(settings: AccountSettings) -> AccountPolicy:
    """raises: ValueError"""
    tiers = load_tiers(settings.tiers)
    anonymous = ANONYMOUS if settings.anonymous == AUTO else settings.anonymous
    if anonymous not in tiers or tiers[anonymous].transcription.unit == "credits":
        accepted = [AUTO] + [name for name, tier in tiers.items() if tier.transcription.unit != "credits"]
        raise ValueError(
            f"STT_ACCOUNTS_ANONYMOUS is a tier without credits, not {settings.anonymous!r}: {', '.join(accepted)}."
        )
    return AccountPolicy(
        tiers=tiers,
        anonymous=anonymous,
        proxies=trusted_networks(settings.trusted_proxies),
        lease_seconds=settings.lease_seconds,
    )

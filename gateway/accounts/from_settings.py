"""From settings to the account store and the policy on it."""

from __future__ import annotations

from pathlib import Path

from gateway.accounts.accounts import AccountPolicy, Accounts
from gateway.accounts.callers import trusted_networks
from gateway.accounts.database import Database, driver_url
from gateway.accounts.tiers import load_tiers
from gateway.errors import Unavailable
from gateway.settings import AccountSettings, Settings

FILE = "accounts.db"


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
    return Accounts(open_database(settings), read_policy(settings.accounts))


def read_policy(settings: AccountSettings) -> AccountPolicy:
    """raises: ValueError"""
    tiers = load_tiers(settings.tiers)
    if settings.anonymous not in tiers or tiers[settings.anonymous].transcription.unit == "credits":
        accepted = [name for name, tier in tiers.items() if tier.transcription.unit != "credits"]
        raise ValueError(
            f"STT_ACCOUNTS_ANONYMOUS is a tier without credits, not {settings.anonymous!r}: {', '.join(accepted)}."
        )
    return AccountPolicy(
        tiers=tiers,
        anonymous=settings.anonymous,
        proxies=trusted_networks(settings.trusted_proxies),
        lease_seconds=settings.lease_seconds,
    )

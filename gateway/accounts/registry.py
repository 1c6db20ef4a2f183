"""Accounts and their keys: made, listed, revoked, rotated, and given credits."""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.accounts import leases, ledger
from gateway.accounts.database import Database
from gateway.accounts.keys import NOBODY, NewKey, is_same, new_key, prefix_of
from gateway.accounts.ledger import LedgerEntry
from gateway.accounts.schema import accounts, keys, secrets
from gateway.accounts.tiers import ANONYMOUS, Tier

LARGEST_GRANT = 10**9  # credits
ADDRESS_SALT = "address_salt"  # in the table of secrets; behind it the period
KEPT_SALTS = 2  # clocks of gateways differ a little at midnight


class RegistryError(ValueError):
    """Says what was wrong and what is accepted."""


@dataclass(frozen=True, slots=True)
class Owner:
    account: str
    tier: str
    name: str
    prefix: str  # of the key


@dataclass(frozen=True, slots=True)
class KeyRow:
    prefix: str
    name: str
    tier: str
    credits: int | None  # None where the tier has none
    created_at: float  # seconds since 1970, as the others
    expires_at: float | None
    revoked_at: float | None


_OWNER = (
    select(keys.c.digest, keys.c.expires_at, keys.c.revoked_at, accounts.c.id, accounts.c.tier, accounts.c.name)
    .join_from(keys, accounts)
    .where(keys.c.prefix == bindparam("of_prefix"))
)


class Registry:
    def __init__(self, database: Database, tiers: Mapping[str, Tier], clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._tiers = tiers
        self._clock = clock

    async def owner(self, key: str) -> Owner | None:
        """Who a key belongs to; None where it is unknown, expired, revoked, or of a tier that is gone."""
        prefix = prefix_of(key)
        if prefix is None:
            return None
        row = await self._database.read(lambda c: c.execute(_OWNER, {"of_prefix": prefix}).first())
        if not is_same(row.digest if row else NOBODY, key) or row is None:
            return None
        now = self._clock() * 1000
        over = any(end is not None and end <= now for end in (row.expires_at, row.revoked_at))
        return None if over or row.tier not in self._tiers else Owner(row.id, row.tier, row.name, prefix)

    async def ended(self, prefixes: Collection[str]) -> set[str]:
        """Those of the keys that have expired, were revoked, or are gone."""
        now = self._now()
        valid = select(keys.c.prefix).where(
            keys.c.prefix.in_(prefixes),
            keys.c.expires_at.is_(None) | (keys.c.expires_at > now),
            keys.c.revoked_at.is_(None) | (keys.c.revoked_at > now),
        )
        return set(prefixes) - set(await self._database.read(lambda c: list(c.execute(valid).scalars())))

    async def create(self, tier: str, name: str, credits: int = 0, expires_at: float | None = None) -> NewKey:
        """raises: RegistryError"""
        self._check_tier(tier)
        if credits:
            self._check_credits(tier, credits)
        account = random.token_hex(8)

        def work(connection: Connection) -> NewKey:
            row = {"id": account, "name": name[:200], "tier": tier, "created_at": self._now()}
            connection.execute(insert(accounts), row)
            if credits:
                self._grant(connection, account, credits, "with the key")
            return self._add_key(connection, account, _milliseconds(expires_at))

        return await self._database.write(account, work)

    async def listed(self) -> list[KeyRow]:
        query = select(keys, accounts.c.name, accounts.c.tier).join_from(keys, accounts)

        def work(connection: Connection) -> list[KeyRow]:
            rows = connection.execute(query.order_by(keys.c.created_at, keys.c.prefix)).all()
            return [
                KeyRow(
                    prefix=row.prefix,
                    name=row.name,
                    tier=row.tier,
                    credits=self._credits(connection, row.account, row.tier),
                    created_at=row.created_at / 1000,
                    expires_at=_seconds(row.expires_at),
                    revoked_at=_seconds(row.revoked_at),
                )
                for row in rows
            ]

        return await self._database.read(work)

    async def revoke(self, which: str, after: float = 0.0) -> None:
        """which: a key or its prefix; after: seconds for which it still works

        raises: RegistryError where there is no such key
        """
        prefix, owner = await self._find(which)
        await self._database.write(owner.account, lambda c: self._revoke(c, prefix, after))

    async def rotate(self, which: str, after: float = 0.0) -> NewKey:
        """A new key for the same account; the old one ends `after` seconds from now."""
        prefix, owner = await self._find(which)

        def work(connection: Connection) -> NewKey:
            row = connection.execute(select(keys).where(keys.c.prefix == prefix)).one()
            if row.revoked_at is not None and row.revoked_at <= self._now():
                raise RegistryError("That key is revoked; only one that works can be rotated.")
            self._revoke(connection, prefix, after)
            return self._add_key(connection, owner.account, row.expires_at)

        return await self._database.write(owner.account, work)

    async def grant(self, which: str, credits: int, note: str | None = None) -> int:
        """Add credits to the account of a key. returns: its balance"""
        _, owner = await self._find(which)
        self._check_credits(owner.tier, credits)
        return await self._database.write(owner.account, lambda c: self._grant(c, owner.account, credits, note))

    async def address_salt(self, period: str) -> str:
        """The secret of this store under which addresses are hashed in a period; made by whoever comes first.

        period: its date, 2026-11-22 or 2026-11; only its salt and the one before are kept
        """
        own = ADDRESS_SALT + period
        query = select(secrets.c.name, secrets.c.value).where(secrets.c.name.startswith(ADDRESS_SALT))

        def work(connection: Connection) -> str:
            salts: dict[str, str] = {row.name: row.value for row in connection.execute(query)}
            if own not in salts:
                salts[own] = random.token_hex(32)
                connection.execute(insert(secrets), {"name": own, "value": salts[own]})
                old = [name for name in sorted(salts)[:-KEPT_SALTS] if name != own]
                connection.execute(delete(secrets).where(secrets.c.name.in_(old)))
            return salts[own]

        return await self._database.write(ADDRESS_SALT, work)

    async def _find(self, which: str) -> tuple[str, Owner]:
        prefix = prefix_of(which) or which.removeprefix("stt_")
        row = await self._database.read(lambda c: c.execute(_OWNER, {"of_prefix": prefix}).first())
        if row is None:
            raise RegistryError("There is no such key; `stt keys list` shows the prefixes.")
        return prefix, Owner(row.id, row.tier, row.name, prefix)

    def _add_key(self, connection: Connection, account: str, expires_at: int | None) -> NewKey:
        key = new_key()
        row = {"prefix": key.prefix, "digest": key.digest, "account": account}
        connection.execute(insert(keys), row | {"created_at": self._now(), "expires_at": expires_at})
        return key

    def _revoke(self, connection: Connection, prefix: str, after: float) -> None:
        """Never later than it was to end already."""
        end = self._now() + round(after * 1000)
        later = keys.c.revoked_at.is_(None) | (keys.c.revoked_at > end)
        connection.execute(update(keys).where(keys.c.prefix == prefix, later).values(revoked_at=end))

    def _grant(self, connection: Connection, account: str, credits: int, note: str | None) -> int:
        end = ledger.position(connection, account, "credits")
        entry = LedgerEntry(account, "credits", "grant", credits, note=note[:200] if note else None)
        ledger.add(connection, end, entry, self._clock())
        return self._left(connection, account)

    def _credits(self, connection: Connection, account: str, tier: str) -> int | None:
        if tier not in self._tiers or self._tiers[tier].transcription.unit != "credits":
            return None
        return self._left(connection, account)

    def _left(self, connection: Connection, account: str) -> int:
        """Credits that no running work holds."""
        held = sum(lease.held for lease in leases.of_subject(connection, account) if lease.bucket == "credits")
        return ledger.position(connection, account, "credits").balance - held

    def _now(self) -> int:
        return round(self._clock() * 1000)

    def _check_tier(self, tier: str) -> None:
        accepted = sorted(set(self._tiers) - {ANONYMOUS})
        if tier not in accepted:
            raise RegistryError(f"There is no tier {tier!r} for keys; accepted: {', '.join(accepted)}.")

    def _check_credits(self, tier: str, credits: int) -> None:
        if tier not in self._tiers or self._tiers[tier].transcription.unit != "credits":
            raise RegistryError(f"The tier {tier!r} has no credits.")
        if not 1 <= credits <= LARGEST_GRANT:
            raise RegistryError(f"Credits are whole and from 1 to {LARGEST_GRANT}.")


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000

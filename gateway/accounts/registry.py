"""Accounts and their keys: made, listed, revoked, rotated, and given credits."""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accounts import ledger
from gateway.accounts.database import Database
from gateway.accounts.keys import NOBODY, NewKey, is_same, new_key, prefix_of
from gateway.accounts.ledger import Entry
from gateway.accounts.schema import accounts, keys, secrets
from gateway.accounts.tiers import ANONYMOUS, Tier

LARGEST_GRANT = 10**9  # credits


class RegistryError(ValueError):
    """Says what was wrong and what is accepted."""


@dataclass(frozen=True, slots=True)
class Owner:
    account: str
    tier: str
    name: str


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
    select(
        keys.c.digest, keys.c.expires_at, keys.c.revoked_at, accounts.c.id, accounts.c.tier, accounts.c.name
    )
    .join_from(keys, accounts)
    .where(keys.c.prefix == bindparam("of_prefix"))
)


class Registry:
    def __init__(
        self, database: Database, tiers: Mapping[str, Tier], clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._tiers = tiers
        self._clock = clock

    async def owner(self, key: str) -> Owner | None:
        """Who a key belongs to; None where it is unknown, expired, revoked, or of a tier that is gone."""
        prefix = prefix_of(key)
        if prefix is None:
            return None
        async with self._database.read() as connection:
            row = (await connection.execute(_OWNER, {"of_prefix": prefix})).first()
        if not is_same(row.digest if row else NOBODY, key) or row is None:
            return None
        now = self._clock() * 1000
        over = any(end is not None and end <= now for end in (row.expires_at, row.revoked_at))
        return None if over or row.tier not in self._tiers else Owner(row.id, row.tier, row.name)

    async def create(self, tier: str, name: str, credits: int = 0, expires_at: float | None = None) -> NewKey:
        """raises: RegistryError"""
        self._check_tier(tier)
        if credits:
            self._check_credits(tier, credits)
        account, now = random.token_hex(8), self._clock()
        async with self._database.write(account) as connection:
            row = {"id": account, "name": name[:200], "tier": tier, "created_at": round(now * 1000)}
            await connection.execute(insert(accounts), row)
            key = await self._add_key(connection, account, expires_at)
            if credits:
                await self._grant(connection, account, credits, "with the key")
        return key

    async def listed(self) -> list[KeyRow]:
        query = select(keys, accounts.c.name, accounts.c.tier).join_from(keys, accounts)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(keys.c.created_at, keys.c.prefix))).all()
            return [
                KeyRow(
                    row.prefix,
                    row.name,
                    row.tier,
                    await self._credits(connection, row.account, row.tier),
                    row.created_at / 1000,
                    None if row.expires_at is None else row.expires_at / 1000,
                    None if row.revoked_at is None else row.revoked_at / 1000,
                )
                for row in rows
            ]

    async def revoke(self, which: str, after: float = 0.0) -> None:
        """which: a key or its prefix; after: seconds for which it still works

        raises: RegistryError where there is no such key
        """
        prefix, owner = await self._find(which)
        async with self._database.write(owner.account) as connection:
            await self._revoke(connection, prefix, after)

    async def rotate(self, which: str, after: float = 0.0) -> NewKey:
        """A new key for the same account; the old one ends `after` seconds from now."""
        prefix, owner = await self._find(which)
        async with self._database.write(owner.account) as connection:
            row = (await connection.execute(select(keys).where(keys.c.prefix == prefix))).one()
            key = await self._add_key(
                connection, owner.account, None if row.expires_at is None else row.expires_at / 1000
            )
            await self._revoke(connection, prefix, after)
        return key

    async def grant(self, which: str, credits: int, note: str | None = None) -> int:
        """Add credits to the account of a key. returns: its balance"""
        _, owner = await self._find(which)
        self._check_credits(owner.tier, credits)
        async with self._database.write(owner.account) as connection:
            return await self._grant(connection, owner.account, credits, note)

    async def salt(self) -> str:
        """The secret of this store under which addresses are hashed; made by whoever comes first."""
        query = select(secrets.c.value).where(secrets.c.name == "address_salt")
        async with self._database.write("address_salt") as connection:
            value: str | None = (await connection.execute(query)).scalar()
            if value is None:
                value = random.token_hex(32)
                await connection.execute(insert(secrets), {"name": "address_salt", "value": value})
        return value

    async def _find(self, which: str) -> tuple[str, Owner]:
        prefix = prefix_of(which) or which.removeprefix("stt_")
        async with self._database.read() as connection:
            row = (await connection.execute(_OWNER, {"of_prefix": prefix})).first()
        if row is None:
            raise RegistryError("There is no such key; `stt keys list` shows the prefixes.")
        return prefix, Owner(row.id, row.tier, row.name)

    async def _add_key(self, connection: AsyncConnection, account: str, expires_at: float | None) -> NewKey:
        key = new_key()
        row = {
            "prefix": key.prefix,
            "digest": key.digest,
            "account": account,
            "created_at": round(self._clock() * 1000),
            "expires_at": None if expires_at is None else round(expires_at * 1000),
        }
        await connection.execute(insert(keys), row)
        return key

    async def _revoke(self, connection: AsyncConnection, prefix: str, after: float) -> None:
        """Never later than it was to end already."""
        end = round((self._clock() + after) * 1000)
        sooner = keys.c.revoked_at.is_(None) | (keys.c.revoked_at > end)
        await connection.execute(update(keys).where(keys.c.prefix == prefix, sooner).values(revoked_at=end))

    async def _grant(self, connection: AsyncConnection, account: str, credits: int, note: str | None) -> int:
        end = await ledger.position(connection, account, "credits")
        entry = Entry(account, "credits", "grant", credits, note=note[:200] if note else None)
        return (await ledger.add(connection, end, entry, self._clock())).balance

    async def _credits(self, connection: AsyncConnection, account: str, tier: str) -> int | None:
        if tier not in self._tiers or self._tiers[tier].transcription.unit != "credits":
            return None
        return (await ledger.position(connection, account, "credits")).balance

    def _check_tier(self, tier: str) -> None:
        accepted = sorted(set(self._tiers) - {ANONYMOUS})
        if tier not in accepted:
            raise RegistryError(f"There is no tier {tier!r} for keys; accepted: {', '.join(accepted)}.")

    def _check_credits(self, tier: str, credits: int) -> None:
        if tier not in self._tiers or self._tiers[tier].transcription.unit != "credits":
            raise RegistryError(f"The tier {tier!r} has no credits.")
        if not 1 <= credits <= LARGEST_GRANT:
            raise RegistryError(f"Credits are whole and from 1 to {LARGEST_GRANT}.")

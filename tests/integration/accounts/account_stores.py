"""A store under test: its address, a clock that stands still, and a look into its ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from gateway.accounts import AccountPolicy, Accounts, Caller, Credentials, TimeSource
from gateway.accounts.database import Database
from gateway.accounts.registry import Registry
from gateway.accounts.schema import idempotency, leases, ledger, secrets
from gateway.accounts.tiers import Tier, load_tiers

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def tiers(**changes: Any) -> Mapping[str, Tier]:
    """The packaged tiers, some fields of all of them changed."""
    return {name: tier.model_copy(update=changes) for name, tier in load_tiers().items()}


@dataclass
class AccountStore:
    url: str
    clock: Clock = field(default_factory=Clock)

    async def migrate(self) -> None:
        database = Database(self.url)
        await database.migrate()
        await database.close()

    def gateway(self, lease_seconds: float = 60.0, **changes: Any) -> Accounts:
        """One more gateway on this store."""
        policy = AccountPolicy(tiers(**changes), lease_seconds=lease_seconds)
        return Accounts(Database(self.url), policy, TimeSource(self.clock))

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[Registry]:
        database = Database(self.url)
        yield Registry(database, load_tiers(), self.clock)
        await database.close()

    async def key(self, tier: str = "paid", credits: int = 0) -> str:
        async with self.registry() as registry:
            return (await registry.create(tier, "somebody", credits)).text

    async def entries(self) -> list[Any]:
        """The whole ledger, in order."""
        query = select(ledger).order_by(ledger.c.subject, ledger.c.bucket, ledger.c.sequence)
        return await self._rows(query)

    async def leases(self) -> list[Any]:
        return await self._rows(select(leases))

    async def answers(self) -> list[Any]:
        return await self._rows(select(idempotency))

    async def salts(self) -> list[str]:
        return [row.value for row in await self._rows(select(secrets).order_by(secrets.c.name))]

    async def balance(self, bucket: str = "credits") -> int:
        """The sum of the entries themselves, whatever their running sums say."""
        return sum(entry.amount for entry in await self.entries() if entry.bucket == bucket)

    async def _rows(self, query: Any) -> list[Any]:
        database = Database(self.url)
        rows = await database.read(lambda c: c.execute(query).all())
        await database.close()
        return list(rows)


async def identify(accounts: Accounts, key: str | None = None, peer: str = "203.0.113.7") -> Caller:
    return await accounts.identify(Credentials(peer, [f"Bearer {key}"] if key else []))

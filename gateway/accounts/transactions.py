"""The transactions on a caller's money and slots: open, hold, settle, release, sweep. One method, one
transaction; each leaves `balance = sum of entries` and every held minor unit with a lease that will end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from gateway.accounts import idempotency, lease_owner, leases, ledger
from gateway.accounts.database import Database
from gateway.accounts.idempotency import IdempotencyKey, IdempotencyRecord, IdempotentResult
from gateway.accounts.leases import Lease
from gateway.accounts.ledger import LedgerEntry
from gateway.accounts.limits import RateLimit, no_slot, rate_limit, shortage
from gateway.accounts.tiers import Allowance, BillingPeriod
from gateway.errors import Conflict

RETRY_SECONDS = 5  # when to ask again for the response to a request that is in work


@dataclass(frozen=True, slots=True)
class Terms:
    """What an admission asks for, and on which allowance."""

    subject: str
    kind: leases.Kind
    allowance: Allowance
    at_once: int
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted: a lease, what it holds, and what is left after it."""

    lease: str
    period: BillingPeriod
    held: int  # minor units
    limit: RateLimit
    record: IdempotencyRecord | None = None  # of an earlier request under the same Idempotency-Key


@dataclass(frozen=True, slots=True)
class Need:
    """How much shall be held in all, in minor units."""

    least: int
    wanted: int  # where it is left
    used: int = 0  # of it, what a live session has already had


@dataclass(frozen=True, slots=True)
class Charge:
    cost: int  # minor units
    milliseconds: int  # of audio
    result: IdempotentResult | None = None


class AccountTransactions:
    def __init__(
        self,
        database: Database,
        lease_seconds: float = 60.0,
        idempotency_seconds: float = 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._answer_seconds = idempotency_seconds
        self._clock = clock
        self._owner = lease_owner.this_process()

    async def open(self, terms: Terms, wanted: int) -> Grant:
        """Take a slot and hold `wanted` minor units, or what is left of them.

        raises: TooManyRequests, PaymentRequired; Conflict while the same request is in work
        """
        return await self._database.write(terms.subject, lambda c: self._open(c, terms, wanted, self._clock()))

    async def hold(self, terms: Terms, grant: Grant, need: Need) -> Grant:
        """Raise the hold. raises: as `open`; what was held before stays held"""
        return await self._database.write(terms.subject, lambda c: self._hold(c, terms, grant, need, self._clock()))

    async def settle(self, terms: Terms, grant: Grant, charge: Charge) -> RateLimit:
        """Charge what it really cost, store the response, end the lease: all of it or nothing.

        raises: as `open`, where it cost more than was held and that much is not left
        """
        return await self._database.write(terms.subject, lambda c: self._settle(c, terms, grant, charge, self._clock()))

    async def release(self, subject: str, lease: str) -> None:
        """Give back what is held and not used. Nothing happens where the lease has ended already."""
        await self._database.write(subject, lambda c: self._close(c, leases.end(c, lease)))

    async def renew(self, ids: Sequence[str]) -> None:
        """Keep leases for another term."""
        until = round((self._clock() + self._lease_seconds) * 1000)
        await self._database.write(self._owner, lambda c: leases.renew(c, ids, until))

    async def sweep(self) -> None:
        """Give back what gateways held that are no more, and forget responses that are too old."""
        by = round(self._clock() * 1000)
        for lease in await self._database.read(lambda c: leases.expired(c, by)):
            await self._expire(lease, by)
        for name in await self._database.read(leases.owners):
            if lease_owner.is_dead(name):
                for lease in await self._database.read(partial(leases.of_owner, owner=name)):
                    await self.release(lease.subject, lease.id)
        since = self._records_since(by / 1000)
        await self._database.write("answers", lambda c: idempotency.forget_before(c, since))

    async def _expire(self, lease: Lease, by: int) -> None:
        await self._database.write(lease.subject, lambda c: self._close(c, leases.end_expired(c, lease.id, by)))

    def _open(self, connection: Connection, terms: Terms, wanted: int, now: float) -> Grant:
        period = terms.allowance.period(now)
        running = self._running(connection, terms, now)
        record = self._record(connection, terms, running, now)
        end = ledger.position(connection, terms.subject, period.bucket)
        left = terms.allowance.minor_units + end.balance
        if record is not None:
            wanted = 0  # it is paid for, so it may be asked for with nothing left
        elif left <= 0:
            raise shortage(rate_limit(terms.allowance, period, left, now), 1)
        held = min(wanted, left)
        lease = self._lease(terms, period, held, now)
        leases.take(connection, lease)
        if terms.idempotency_key is not None and record is None:
            key = IdempotencyKey(terms.subject, terms.idempotency_key)
            idempotency.reserve(connection, key, lease.id, round(now * 1000))
        if held:
            ledger.add(connection, end, _entry(lease, "hold", -held), now)
        return Grant(lease.id, period, held, rate_limit(terms.allowance, period, left - held, now), record)

    def _hold(self, connection: Connection, terms: Terms, grant: Grant, need: Need, now: float) -> Grant:
        lease = leases.end(connection, grant.lease)
        has = lease.held if lease else 0  # 0: the lease lapsed and its hold was given back
        end = ledger.position(connection, terms.subject, grant.period.bucket)
        left = terms.allowance.minor_units + end.balance + has
        if left < need.least and need.least > has:
            raise shortage(rate_limit(terms.allowance, grant.period, left, now), need.least)
        holds = max(has, min(need.wanted, left))
        renewed = replace(self._lease(terms, grant.period, holds, now), id=grant.lease, used=need.used)
        leases.take(connection, renewed)
        if holds > has:
            ledger.add(connection, end, _entry(renewed, "hold", has - holds), now)
        return replace(grant, held=holds, limit=rate_limit(terms.allowance, grant.period, left - holds, now))

    def _settle(self, connection: Connection, terms: Terms, grant: Grant, charge: Charge, now: float) -> RateLimit:
        lease = leases.end(connection, grant.lease)
        held = lease.held if lease else 0
        end = ledger.position(connection, terms.subject, grant.period.bucket)
        left = terms.allowance.minor_units + end.balance + held
        if left < charge.cost and charge.cost > held:
            raise shortage(rate_limit(terms.allowance, grant.period, left, now), charge.cost)
        change = LedgerEntry(terms.subject, grant.period.bucket, "settle", held - charge.cost, grant.lease)
        ledger.add(connection, end, replace(change, milliseconds=charge.milliseconds), now)
        if charge.result is not None and terms.idempotency_key is not None:
            key = IdempotencyKey(terms.subject, terms.idempotency_key)
            idempotency.store(connection, key, grant.lease, charge.result, round(now * 1000))
        return rate_limit(terms.allowance, grant.period, left - charge.cost, now)

    def _running(self, connection: Connection, terms: Terms, now: float) -> set[str]:
        """The leases that count. raises: TooManyRequests where they fill the caller's slots"""
        by, running = round(now * 1000), set()
        for lease in leases.of_subject(connection, terms.subject):
            if lease.expires_at <= by:
                self._close(connection, leases.end_expired(connection, lease.id, by))
            elif lease.kind == terms.kind:
                running.add(lease.id)
        if len(running) >= terms.at_once:
            raise no_slot(terms.at_once)
        return running

    def _record(self, connection: Connection, terms: Terms, running: set[str], now: float) -> IdempotencyRecord | None:
        if terms.idempotency_key is None:
            return None
        key = IdempotencyKey(terms.subject, terms.idempotency_key)
        record = idempotency.find(connection, key, self._records_since(now))
        if record is None or record.response is not None:
            return record
        if record.admission in running:
            raise Conflict("The request with this Idempotency-Key is still in work.", RETRY_SECONDS)
        return None

    def _close(self, connection: Connection, lease: Lease | None) -> None:
        if lease is None:
            return
        if lease.idempotency_key is not None:
            idempotency.forget_unfinished(connection, IdempotencyKey(lease.subject, lease.idempotency_key), lease.id)
        if lease.unused:
            end = ledger.position(connection, lease.subject, lease.bucket)
            ledger.add(connection, end, _entry(lease, "release", lease.unused), self._clock())

    def _lease(self, terms: Terms, period: BillingPeriod, held: int, now: float) -> Lease:
        return Lease(
            id=secrets.token_hex(16),
            subject=terms.subject,
            kind=terms.kind,
            bucket=period.bucket,
            held=held,
            used=0,
            idempotency_key=terms.idempotency_key,
            owner=self._owner,
            expires_at=round((now + self._lease_seconds) * 1000),
        )

    def _records_since(self, now: float) -> int:
        return round((now - self._answer_seconds) * 1000)


def _entry(lease: Lease, kind: ledger.Kind, amount: int) -> LedgerEntry:
    return LedgerEntry(lease.subject, lease.bucket, kind, amount, lease.id)

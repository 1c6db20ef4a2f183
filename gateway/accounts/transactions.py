"""The transactions on a caller's money and slots: open, hold, settle, release, sweep. One method, one transaction.

The ledger says what every admission has cost. What is held for work that runs is in its lease alone, so that
work that fails leaves no trace in the ledger, and everything that is held ends with a lease. A lease that
lapses charges what a live session had used of it; whoever goes on with that admission pays the rest.

Every transaction may be made again with the same admission: it then does nothing, or what is still to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from gateway.accounts import idempotency, lease_owner, leases, ledger
from gateway.accounts.database import Database
from gateway.accounts.idempotency import IdempotencyKey, IdempotencyRecord
from gateway.accounts.leases import Lease
from gateway.accounts.ledger import LedgerEntry, Position
from gateway.accounts.limits import no_slot, rate_limit, shortage
from gateway.accounts.terms import Charge, Grant, Need, Settlement, Terms
from gateway.accounts.tiers import BillingPeriod
from gateway.errors import Conflict

RETRY_SECONDS = 5  # when to ask again for the response to a request that is in work


@dataclass(frozen=True, slots=True)
class _Account:
    """One bucket of a subject inside a transaction."""

    end: Position
    left: int  # minor units that nobody holds
    leases: Sequence[Lease]  # that have not lapsed


@dataclass(frozen=True, slots=True)
class _Own:
    """What an admission had until now."""

    held: int  # minor units; 0 where its lease lapsed
    taken: int  # minor units that the ledger has of it
    settled: bool = False


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
        self._idempotency_seconds = idempotency_seconds
        self._clock = clock
        self._owner = lease_owner.this_process()

    async def open(self, terms: Terms, lease: str, wanted: int) -> Grant:
        """Take a slot and hold `wanted` minor units, or what is left of them. lease: id of the admission, new

        raises: TooManyRequests, PaymentRequired; Conflict while the same request is in work
        """
        return await self._database.write(terms.subject, lambda c: self._open(c, terms, lease, wanted, self._clock()))

    async def take_over(self, terms: Terms, lease: str, wanted: int) -> Grant:
        """As `open`, of an admission that another process may have had, which is dead or will find its lease ended.

        One that was settled before the process died is granted as it is: it costs nothing any more.
        """
        return await self._database.write(
            terms.subject, lambda c: self._take_over(c, terms, lease, wanted, self._clock())
        )

    async def hold(self, terms: Terms, grant: Grant, need: Need) -> Grant:
        """Raise the hold. raises: as `open`; what was held before stays held"""
        return await self._database.write(terms.subject, lambda c: self._hold(c, terms, grant, need, self._clock()))

    async def settle(self, terms: Terms, grant: Grant, charge: Charge) -> Settlement:
        """Charge what it really cost, store the response, end the lease: all of it or nothing.

        raises: as `open`, where it cost more than was held and that much is not left; BadParameter
        """
        return await self._database.write(terms.subject, lambda c: self._settle(c, terms, grant, charge, self._clock()))

    async def release(self, subject: str, lease: str) -> None:
        """Give back what is held and not used. Nothing happens where the lease has ended already."""
        await self._database.write(subject, lambda c: self._lapse(c, leases.end(c, lease), self._clock()))

    async def renew(self, ids: Sequence[str]) -> float:
        """Keep leases for another term. returns: its end, seconds since 1970"""
        until = self._clock() + self._lease_seconds
        await self._database.write(self._owner, lambda c: leases.renew(c, ids, round(until * 1000)))
        return until

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
        await self._database.write("idempotency", lambda c: idempotency.forget_before(c, since))

    async def _expire(self, lease: Lease, by: int) -> None:
        work = partial(leases.end_expired, lease=lease.id, by=by)
        await self._database.write(lease.subject, lambda c: self._lapse(c, work(c), by / 1000))

    def _open(self, connection: Connection, terms: Terms, lease: str, wanted: int, now: float) -> Grant:
        period = terms.allowance.period(now)
        account = self._account(connection, terms, period.bucket, now)
        running = {each.id for each in account.leases if each.kind == terms.kind}
        if len(running) >= terms.at_once:
            raise no_slot(terms.at_once)
        record = self._record(connection, terms, now)
        if record is not None and not record.finished:
            if record.admission in running:
                raise Conflict("The request with this Idempotency-Key is still in work.", RETRY_SECONDS)
            record = None
        if record is not None:
            wanted = 0  # it is paid for, so it may be asked for with nothing left
        elif account.left <= 0:
            raise shortage(rate_limit(terms.allowance, period, account.left, now), 1)
        elif terms.key is not None:
            idempotency.reserve(connection, terms.key, lease, round(now * 1000))
        held = min(wanted, account.left) if wanted else 0
        expires_at = now + self._lease_seconds
        leases.take(connection, self._lease(terms, period, lease, expires_at, held=held))
        return Grant(
            lease=lease,
            period=period,
            held=held,
            limit=rate_limit(terms.allowance, period, account.left - held, now),
            expires_at=expires_at,
            record=record,
        )

    def _take_over(self, connection: Connection, terms: Terms, lease: str, wanted: int, now: float) -> Grant:
        if not self._end(connection, lease).settled:
            return self._open(connection, terms, lease, wanted, now)
        period = terms.allowance.period(now)
        left = self._account(connection, terms, period.bucket, now).left
        return Grant(lease, period, 0, rate_limit(terms.allowance, period, left, now), now + self._lease_seconds)

    def _hold(self, connection: Connection, terms: Terms, grant: Grant, need: Need, now: float) -> Grant:
        own = self._end(connection, grant.lease)
        account = self._account(connection, terms, grant.period.bucket, now)
        least, wanted, used = (max(0, part - own.taken) for part in (need.least, need.wanted, need.used))
        if account.left < least and least > own.held:
            raise shortage(rate_limit(terms.allowance, grant.period, account.left, now), need.least)
        held = max(own.held, min(wanted, account.left))
        expires_at = now + self._lease_seconds
        lease = self._lease(terms, grant.period, grant.lease, expires_at, held=held)
        leases.take(connection, replace(lease, used=min(used, held), taken=own.taken))
        limit = rate_limit(terms.allowance, grant.period, account.left - held, now)
        return replace(grant, held=own.taken + held, limit=limit, expires_at=expires_at)

    def _settle(self, connection: Connection, terms: Terms, grant: Grant, charge: Charge, now: float) -> Settlement:
        own = self._end(connection, grant.lease)
        account = self._account(connection, terms, grant.period.bucket, now)
        earlier = self._record(connection, terms, now)
        limit = partial(rate_limit, terms.allowance, grant.period, now=now)
        if own.settled:  # by this admission, and its answer was lost
            return Settlement(limit(left=account.left))
        if earlier is not None and earlier.finished:
            return Settlement(limit(left=account.left), earlier)
        due = max(0, charge.cost - own.taken)
        if account.left < due and due > own.held:
            if not charge.as_far_as_possible:
                raise shortage(limit(left=account.left), charge.cost)
            due = max(account.left, own.held)
        entry = LedgerEntry(terms.subject, grant.period.bucket, "settle", -due, grant.lease)
        ledger.add(connection, account.end, replace(entry, milliseconds=charge.milliseconds), now)
        if charge.record is not None and terms.key is not None:
            idempotency.store(connection, terms.key, charge.record, round(now * 1000))
        return Settlement(limit(left=account.left - due))

    def _account(self, connection: Connection, terms: Terms, bucket: str, now: float) -> _Account:
        """With every lease that lapsed ended. To be read after the caller's own lease is ended, too."""
        by, alive = round(now * 1000), []
        for lease in leases.of_subject(connection, terms.subject):
            if lease.expires_at <= by:
                self._lapse(connection, leases.end_expired(connection, lease.id, by), now)
            else:
                alive.append(lease)
        end = ledger.position(connection, terms.subject, bucket)
        held = sum(lease.held for lease in alive if lease.bucket == bucket)
        return _Account(end, terms.allowance.minor_units + end.balance - held, alive)

    def _record(self, connection: Connection, terms: Terms, now: float) -> IdempotencyRecord | None:
        if terms.key is None:
            return None
        return idempotency.find(connection, terms.key, self._records_since(now))

    def _end(self, connection: Connection, admission: str) -> _Own:
        """Ends an admission's lease. What it took before is in the ledger, where the lease lapsed meanwhile."""
        lease = leases.end(connection, admission)
        if lease is not None:
            return _Own(lease.held, lease.taken)
        taken = ledger.taken(connection, admission)
        return _Own(0, taken.amount, taken.settled)

    def _lapse(self, connection: Connection, lease: Lease | None, now: float) -> None:
        """Charge what was used of a lease that ended without a settle; the rest of what it held is free again."""
        if lease is None:
            return
        if lease.idempotency_key is not None:
            key = IdempotencyKey(lease.subject, lease.idempotency_key)
            idempotency.forget_unfinished(connection, key, lease.id)
        if lease.used:
            end = ledger.position(connection, lease.subject, lease.bucket)
            ledger.add(connection, end, LedgerEntry(lease.subject, lease.bucket, "lapse", -lease.used, lease.id), now)

    def _lease(self, terms: Terms, period: BillingPeriod, admission: str, expires_at: float, *, held: int) -> Lease:
        return Lease(
            id=admission,
            subject=terms.subject,
            kind=terms.kind,
            bucket=period.bucket,
            held=held,
            used=0,
            taken=0,
            idempotency_key=terms.key.key if terms.key else None,
            owner=self._owner,
            expires_at=round(expires_at * 1000),
        )

    def _records_since(self, now: float) -> int:
        return round((now - self._idempotency_seconds) * 1000)

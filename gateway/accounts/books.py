"""The transactions on a caller's money and slots: open, hold, settle, release, sweep. One method, one
transaction; each leaves `balance = sum of entries` and every held grain with a lease that will end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accounts import answers, holder, leases, ledger
from gateway.accounts.answers import Answer, Finished, Place
from gateway.accounts.database import Database
from gateway.accounts.leases import Lease
from gateway.accounts.ledger import Entry
from gateway.accounts.limits import RateLimit, no_slot, rate_limit, shortage
from gateway.accounts.tiers import Allowance, Window
from gateway.errors import Conflict

ANSWER_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for at the door, and on which allowance."""

    subject: str
    kind: leases.Kind
    allowance: Allowance
    at_once: int
    answer_key: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What the books gave: a lease, what it holds, and what is left after it."""

    lease: str
    window: Window
    held: int  # grains
    limit: RateLimit
    kept: answers.Kept | None = None  # the answer to a repeated request


@dataclass(frozen=True, slots=True)
class Charge:
    cost: int  # grains
    milliseconds: int  # of audio
    fingerprint: str = ""
    answer: Answer | None = None


class Books:
    def __init__(
        self,
        database: Database,
        lease_seconds: float = 60.0,
        answer_seconds: float = 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._holder = holder.this_process()

    async def open(self, terms: Terms, least: int, wanted: int) -> Grant:
        """Take a slot and hold `wanted` grains, or what is left if that is at least `least`.

        raises: TooManyRequests, PaymentRequired; Conflict while the same request is in work
        """
        now = self._clock()
        window = terms.allowance.window(now)
        async with self._database.write(terms.subject) as connection:
            running = await self._running(connection, terms, now)
            kept = await self._kept(connection, terms, running, now)
            end = await ledger.position(connection, terms.subject, window.bucket)
            left = terms.allowance.grains + end.balance
            if kept is not None:  # it is paid for, so it may be asked for with nothing left
                least = wanted = 0
            if left < least:
                raise shortage(rate_limit(terms.allowance, window, left, now), least)
            held = min(wanted, max(left, 0))
            lease = self._lease(terms, window, held, now)
            await leases.take(connection, lease)
            if terms.answer_key is not None and kept is None:
                place = Place(terms.subject, terms.answer_key)
                await answers.reserve(connection, place, lease.id, round(now * 1000))
            if held:
                await ledger.add(connection, end, _entry(lease, "hold", -held), now)
        return Grant(lease.id, window, held, rate_limit(terms.allowance, window, left - held, now), kept)

    async def hold(self, terms: Terms, grant: Grant, held: tuple[int, int], used: int = 0) -> Grant:
        """Raise the hold to held = (at least, wanted) grains, of which `used` are already had.

        raises: as `open`; what was held before stays held
        """
        least, wanted = held
        now = self._clock()
        async with self._database.write(terms.subject) as connection:
            lease = await leases.end(connection, grant.lease)
            has = lease.held if lease else 0
            end = await ledger.position(connection, terms.subject, grant.window.bucket)
            left = terms.allowance.grains + end.balance
            if has + left < least:
                raise shortage(rate_limit(terms.allowance, grant.window, has + left, now), least)
            holds = max(has, min(wanted, has + left))
            renewed = replace(
                self._lease(terms, grant.window, holds, now), id=grant.lease, used=min(used, holds)
            )
            await leases.take(connection, renewed)
            if holds > has:
                await ledger.add(connection, end, _entry(renewed, "hold", has - holds), now)
        limit = rate_limit(terms.allowance, grant.window, left + has - holds, now)
        return replace(grant, held=holds, limit=limit)

    async def settle(self, terms: Terms, grant: Grant, charge: Charge) -> RateLimit:
        """Charge what it really cost, keep the answer, end the lease: all of it or nothing.

        raises: as `open`, where it cost more than was held and that much is not left
        """
        now = self._clock()
        async with self._database.write(terms.subject) as connection:
            lease = await leases.end(connection, grant.lease)
            held = lease.held if lease else 0  # 0: the lease lapsed and its hold was given back
            end = await ledger.position(connection, terms.subject, grant.window.bucket)
            left = terms.allowance.grains + end.balance + held - charge.cost
            if left < 0 and charge.cost > held:
                limit = rate_limit(terms.allowance, grant.window, left + charge.cost, now)
                raise shortage(limit, charge.cost)
            entry = Entry(
                terms.subject,
                grant.window.bucket,
                "settle",
                held - charge.cost,
                grant.lease,
                charge.milliseconds,
            )
            await ledger.add(connection, end, entry, now)
            if charge.answer is not None and terms.answer_key is not None:
                place = Place(terms.subject, terms.answer_key)
                finished = Finished(grant.lease, charge.fingerprint, charge.answer)
                await answers.keep(connection, place, finished, round(now * 1000))
        return rate_limit(terms.allowance, grant.window, left, now)

    async def release(self, subject: str, lease: str) -> None:
        """Give back what is held and not used. Nothing happens where the lease has ended already."""
        async with self._database.write(subject) as connection:
            await self._close(connection, await leases.end(connection, lease))

    async def renew(self, ids: Sequence[str]) -> None:
        """Keep leases for another term."""
        until = round((self._clock() + self._lease_seconds) * 1000)
        async with self._database.write(self._holder) as connection:
            await leases.renew(connection, ids, until)

    async def sweep(self) -> None:
        """Give back what gateways held that are no more, and forget answers that are too old."""
        by = round(self._clock() * 1000)
        async with self._database.read() as connection:
            lapsed = await leases.expired(connection, by)
            dead = [name for name in await leases.holders(connection) if holder.is_dead(name)]
            orphans = [lease for name in dead for lease in await leases.of_holder(connection, name)]
        for lease in lapsed:
            async with self._database.write(lease.subject) as connection:
                await self._close(connection, await leases.end_expired(connection, lease.id, by))
        for lease in orphans:
            await self.release(lease.subject, lease.id)
        async with self._database.write("answers") as connection:
            await answers.forget_before(connection, self._answers_since(by / 1000))

    async def _running(self, connection: AsyncConnection, terms: Terms, now: float) -> set[str]:
        """The leases that count. raises: TooManyRequests where they fill the caller's slots"""
        running = set()
        for lease in await leases.of_subject(connection, terms.subject):
            if lease.expires_at <= now * 1000:
                await self._close(
                    connection, await leases.end_expired(connection, lease.id, round(now * 1000))
                )
            elif lease.kind == terms.kind:
                running.add(lease.id)
        if len(running) >= terms.at_once:
            raise no_slot(terms.at_once)
        return running

    async def _kept(
        self, connection: AsyncConnection, terms: Terms, running: set[str], now: float
    ) -> answers.Kept | None:
        if terms.answer_key is None:
            return None
        place = Place(terms.subject, terms.answer_key)
        kept = await answers.find(connection, place, self._answers_since(now))
        if kept is None or kept.answer is not None:
            return kept
        if kept.admission in running:
            raise Conflict("The request with this Idempotency-Key is still in work.", ANSWER_RETRY_SECONDS)
        return None

    async def _close(self, connection: AsyncConnection, lease: Lease | None) -> None:
        if lease is None:
            return
        if lease.answer_key is not None:
            place = Place(lease.subject, lease.answer_key)
            await answers.forget_unfinished(connection, place, lease.id)
        if lease.unused:
            end = await ledger.position(connection, lease.subject, lease.bucket)
            await ledger.add(connection, end, _entry(lease, "release", lease.unused), self._clock())

    def _lease(self, terms: Terms, window: Window, held: int, now: float) -> Lease:
        return Lease(
            id=secrets.token_hex(16),
            subject=terms.subject,
            kind=terms.kind,
            bucket=window.bucket,
            held=held,
            used=0,
            answer_key=terms.answer_key,
            holder=self._holder,
            expires_at=round((now + self._lease_seconds) * 1000),
        )

    def _answers_since(self, now: float) -> int:
        return round((now - self._answer_seconds) * 1000)


def _entry(lease: Lease, kind: ledger.Kind, amount: int) -> Entry:
    return Entry(lease.subject, lease.bucket, kind, amount, lease.id)

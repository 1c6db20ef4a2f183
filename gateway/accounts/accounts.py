"""Authentication, admission and charging of callers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.accounts.admission import Admission, TimeSource
from gateway.accounts.callers import Caller, Credentials, Network, address_subject, client_network
from gateway.accounts.database import Database
from gateway.accounts.idempotency import IdempotencyKey, checked_key
from gateway.accounts.keeper import LeaseKeeper, RunningWork
from gateway.accounts.leases import Kind
from gateway.accounts.live_session import LiveSession
from gateway.accounts.local_access import LOCAL, LocalAccess
from gateway.accounts.outstanding import OutstandingCharges
from gateway.accounts.registry import Registry
from gateway.accounts.request_rate import RequestRates
from gateway.accounts.terms import Grant, Terms
from gateway.accounts.tiers import ANONYMOUS, SECONDS_A_MINUTE, Tier
from gateway.accounts.transactions import AccountTransactions
from gateway.accounts.usage import Usage, read_usage
from gateway.errors import ServiceError, Unauthorized, Unavailable

UNBOUNDED = 1 << 31  # slots: something else bounds the work

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    tiers: Mapping[str, Tier]
    anonymous: str = ANONYMOUS  # the tier of requests without a key
    proxies: Sequence[Network] = ()  # whose X-Forwarded-For is believed
    local: LocalAccess | None = None  # the machine's own user
    lease_seconds: float = 60.0  # after which a dead gateway's work is given back
    idempotency_seconds: float = 86_400.0  # for which responses are stored under an Idempotency-Key


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What a gateway's accounts report of themselves."""

    lease_seconds: float
    renewal_age: float  # seconds since the leases were renewed
    running: int  # admissions of this gateway
    failures: Mapping[str, int]  # transactions that the store did not do, by kind
    outstanding: int = 0  # charges for what clients have, to be made when the store is back


class Accounts:
    """One for each gateway process. `async with Accounts(…)` brings the store up to date, gives back what
    a crash left held, and keeps the leases of running work renewed."""

    def __init__(self, database: Database, policy: AccountPolicy, time_source: TimeSource | None = None) -> None:
        self._database = database
        self._policy = policy
        self._time_source = time_source or TimeSource()
        clock = self._time_source.clock
        self._transactions = AccountTransactions(database, policy.lease_seconds, policy.idempotency_seconds, clock)
        self._registry = Registry(database, policy.tiers, clock)
        self._rates = RequestRates()
        self._running: dict[str, RunningWork] = {}  # by lease
        self._outstanding = OutstandingCharges()
        self._keeper = LeaseKeeper(
            self._transactions, self._registry, self._running, policy.lease_seconds, self._time_source
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._salts: dict[str, str] = {}  # of addresses, by period

    async def __aenter__(self) -> Accounts:
        await self._database.migrate()
        await self._keeper.start(self._outstanding.settle)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keeper.close()
        await self._outstanding.close()
        await self._database.close()

    @property
    def database(self) -> Database:
        return self._database

    @property
    def local_key(self) -> str:
        """Makes its holder the machine's own user; "" where there is none."""
        return self._policy.local.key if self._policy.local else ""

    @property
    def status(self) -> AccountStatus:
        return AccountStatus(
            self._policy.lease_seconds,
            self._keeper.renewal_age,
            len(self._running),
            self._database.failures,
            len(self._outstanding),
        )

    async def identify(self, credentials: Credentials) -> Caller:
        """raises: Unauthorized where a key is given that is not valid now, Forbidden; TooManyRequests"""
        key, local = credentials.key(), self._policy.local
        if local is not None and (local.admits(credentials) if key is None else local.has_key(key)):
            return Caller(LOCAL, local.tier, LOCAL)
        if key is None:
            return await self._anonymous(credentials)
        owner = await self._registry.owner(key)
        if owner is None:
            raise Unauthorized("The API key is not valid; check it, or leave it out to be anonymous.")
        tier = self._policy.tiers[owner.tier]
        self._rates.take(owner.account, tier.requests_a_second)
        return Caller(owner.account, tier, owner.name, owner.prefix)

    async def _anonymous(self, credentials: Credentials) -> Caller:
        network = client_network(credentials.peer, credentials.forwarded, self._policy.proxies)
        tier = self._policy.tiers[self._policy.anonymous]
        self._rates.take(network, tier.requests_a_second)
        period = tier.longest_period(self._time_source.clock())
        if (salt := self._salts.get(period)) is None:
            salt = await self._registry.address_salt(period)
            self._salts = {period: salt}
        return Caller(address_subject(network, salt), tier, ANONYMOUS)

    @contextlib.asynccontextmanager
    async def admit(self, caller: Caller, idempotency_key: str | None = None) -> AsyncIterator[Admission]:
        """A slot for one file, with the least it can cost held.

        raises: TooManyRequests, PaymentRequired, Conflict, BadParameter; Unauthorized when the caller's key ends
        """
        tier = caller.tier
        key = None if idempotency_key is None else IdempotencyKey(caller.subject, checked_key(idempotency_key))
        terms = Terms(caller.subject, "transcription", tier.transcription, tier.at_once, key)
        grant = await self._open(terms, 1)
        async with self._lasting(caller, Admission(self._transactions, terms, grant, self._time_source)) as admission:
            yield admission

    @contextlib.asynccontextmanager
    async def admit_session(self, caller: Caller) -> AsyncIterator[LiveSession]:
        """A slot for a live session, with its first minute held, or what is left of one."""
        tier = caller.tier
        terms = Terms(caller.subject, "transcription", tier.transcription, tier.at_once)
        grant = await self._open(terms, tier.transcription.cost(SECONDS_A_MINUTE))
        session = LiveSession(self._transactions, terms, grant, self._time_source, tier.longest_session)
        async with self._lasting(caller, session):
            yield session

    @contextlib.asynccontextmanager
    async def admit_summary(self, caller: Caller) -> AsyncIterator[Admission]:
        """A slot for one summary; counted when it is settled, whatever its length."""
        tier = caller.tier
        terms = Terms(caller.subject, "summary", tier.summaries, tier.summaries_at_once)
        grant = await self._open(terms, 1)
        async with self._lasting(caller, Admission(self._transactions, terms, grant, self._time_source)) as admission:
            yield admission

    def caller(self, subject: str, name: str, tier: str, key: str | None) -> Caller:
        """Whoever sent what is only now worked on. Raises Unauthorized where its tier is no more."""
        local = self._policy.local
        if local is not None and subject == LOCAL:
            return Caller(LOCAL, local.tier, LOCAL)
        if tier not in self._policy.tiers:
            raise Unauthorized(f"The tier {tier!r} of this job's key is no more.")
        return Caller(subject, self._policy.tiers[tier], name, key)

    @contextlib.asynccontextmanager
    async def admit_job(self, caller: Caller, lease: str, kind: Kind = "job") -> AsyncIterator[Admission]:
        """For work that waits in a queue, which bounds it. A job has one admission, by whichever gateway goes on
        with it, so that it is charged once.

        lease: id of the admission, the job's own
        raises: TooManyRequests, PaymentRequired; Unauthorized when the caller's key ends
        """
        tier = caller.tier
        allowance = tier.summaries if kind == "summary" else tier.transcription
        terms = Terms(caller.subject, kind, allowance, UNBOUNDED)
        grant = await self._transactions.take_over(terms, lease, 1)
        async with self._lasting(caller, Admission(self._transactions, terms, grant, self._time_source)) as admission:
            yield admission

    async def usage(self, caller: Caller) -> Usage:
        return await read_usage(self._database, caller, self._time_source.clock())

    @contextlib.asynccontextmanager
    async def _lasting(self, caller: Caller, admission: Admission) -> AsyncIterator[Admission]:
        """Its lease is renewed until the block ends, and ended then, cancelled or not."""
        work = self._running[admission.id] = RunningWork(admission, caller.key)
        try:
            yield admission
        except asyncio.CancelledError:
            if not work.was_revoked():
                raise
            raise Unauthorized("The API key has expired or was revoked; the work that it began is ended.") from None
        finally:
            work.over = True
            await asyncio.shield(self._start(self._end(admission)))

    async def _end(self, admission: Admission) -> None:
        try:
            await admission.end()
        finally:
            if admission.unpaid:
                self._outstanding.add(admission)
            self._running.pop(admission.id, None)

    async def _open(self, terms: Terms, wanted: int) -> Grant:
        """A caller that is not admitted, for whatever reason, leaves nothing held behind it."""
        lease = secrets.token_hex(16)
        opening = self._start(self._transactions.open(terms, lease, wanted))
        try:
            return await asyncio.shield(opening)
        except (asyncio.CancelledError, Unavailable):  # it may be open all the same
            self._start(self._undo(terms, lease, opening))
            raise

    async def _undo(self, terms: Terms, lease: str, opening: asyncio.Task[Grant]) -> None:
        await asyncio.gather(opening, return_exceptions=True)
        with contextlib.suppress(ServiceError):  # it lapses soon
            await self._transactions.release(terms.subject, lease)

    def _start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

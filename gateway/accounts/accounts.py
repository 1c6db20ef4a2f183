"""Authentication, admission and charging of callers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.accounts.admission import Admission, LiveSession
from gateway.accounts.callers import Caller, Credentials, Network, address_subject, client_network
from gateway.accounts.database import Database
from gateway.accounts.idempotency import checked_key
from gateway.accounts.local_access import LOCAL, LocalAccess
from gateway.accounts.registry import Registry
from gateway.accounts.tiers import ANONYMOUS, SECONDS_A_MINUTE, Tier
from gateway.accounts.transactions import AccountTransactions, Grant, Terms
from gateway.accounts.usage import Usage, read_usage
from gateway.errors import ServiceError, Unauthorized

log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    tiers: Mapping[str, Tier]
    anonymous: str = ANONYMOUS  # the tier of requests without a key
    proxies: Sequence[Network] = ()  # whose X-Forwarded-For is believed
    local: LocalAccess | None = None  # the machine's own user
    lease_seconds: float = 60.0  # after which a dead gateway's work is given back
    idempotency_seconds: float = 86_400.0  # for which responses are stored under an Idempotency-Key


class Accounts:
    """One for each gateway process. `async with Accounts(…)` brings the store up to date, gives back what
    a crash left held, and keeps the leases of running work renewed."""

    def __init__(self, database: Database, policy: AccountPolicy, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._policy = policy
        self._clock = clock
        self._transactions = AccountTransactions(database, policy.lease_seconds, policy.idempotency_seconds, clock)
        self._registry = Registry(database, policy.tiers, clock)
        self._running: dict[str, Admission] = {}  # by lease
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._salt = ""

    async def __aenter__(self) -> Accounts:
        await self._database.migrate()
        self._salt = await self._registry.salt()
        await self._transactions.sweep()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._database.close()

    @property
    def local_key(self) -> str:
        """Makes its holder the machine's own user; "" where there is none."""
        return self._policy.local.key if self._policy.local else ""

    async def identify(self, credentials: Credentials) -> Caller:
        """raises: Unauthorized where a key is presented that is not valid now, Forbidden"""
        key, local = credentials.key(), self._policy.local
        if local is not None and (local.admits(credentials) if key is None else local.has_key(key)):
            return Caller(LOCAL, local.tier, LOCAL)
        if key is None:
            network = client_network(credentials.peer, credentials.forwarded, self._policy.proxies)
            tier = self._policy.tiers[self._policy.anonymous]
            return Caller(address_subject(network, self._salt), tier, ANONYMOUS)
        owner = await self._registry.owner(key)
        if owner is None:
            raise Unauthorized("The API key is not valid; check it, or leave it out to be anonymous.")
        return Caller(owner.account, self._policy.tiers[owner.tier], owner.name)

    @contextlib.asynccontextmanager
    async def admit(self, caller: Caller, idempotency_key: str | None = None) -> AsyncIterator[Admission]:
        """A slot for one file, with the least it can cost held.

        idempotency_key: the request's Idempotency-Key
        raises: TooManyRequests, PaymentRequired, Conflict, BadParameter
        """
        tier = caller.tier
        key = None if idempotency_key is None else checked_key(idempotency_key)
        terms = Terms(caller.subject, "transcription", tier.transcription, tier.at_once, key)
        grant = await self._open(terms, 1)
        async with self._lasting(Admission(self._transactions, terms, grant)) as admission:
            yield admission

    @contextlib.asynccontextmanager
    async def admit_session(self, caller: Caller) -> AsyncIterator[LiveSession]:
        """A slot for a live session, with its first minute held, or what is left of one."""
        tier = caller.tier
        terms = Terms(caller.subject, "transcription", tier.transcription, tier.at_once)
        grant = await self._open(terms, tier.transcription.cost(SECONDS_A_MINUTE))
        session = LiveSession(self._transactions, terms, grant, tier.longest_session)
        async with self._lasting(session):
            yield session

    @contextlib.asynccontextmanager
    async def admit_summary(self, caller: Caller) -> AsyncIterator[Admission]:
        """A slot for one summary; counted when it is settled, whatever its length."""
        tier = caller.tier
        terms = Terms(caller.subject, "summary", tier.summaries, tier.summaries_at_once)
        grant = await self._open(terms, 1)
        async with self._lasting(Admission(self._transactions, terms, grant)) as admission:
            yield admission

    async def usage(self, caller: Caller) -> Usage:
        return await read_usage(self._database, caller, self._clock())

    @contextlib.asynccontextmanager
    async def _lasting(self, admission: Admission) -> AsyncIterator[Admission]:
        """Its lease is renewed until the block ends, and ended then, cancelled or not."""
        self._running[admission.id] = admission
        try:
            yield admission
        finally:
            await asyncio.shield(self._start(self._end(admission)))

    async def _end(self, admission: Admission) -> None:
        try:
            await admission.end()
        finally:
            self._running.pop(admission.id, None)

    async def _open(self, terms: Terms, wanted: int) -> Grant:
        """A caller that is cancelled while it is admitted leaves nothing held behind it."""
        opening = self._start(self._transactions.open(terms, wanted))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._start(self._undo(terms, opening))
            raise

    async def _undo(self, terms: Terms, opening: asyncio.Task[Grant]) -> None:
        with contextlib.suppress(ServiceError):
            grant = await opening
            await self._transactions.release(terms.subject, grant.lease)

    def _start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self) -> None:
        """Only work that runs here is renewed: whatever could not be given back ends with its lease."""
        while True:
            await asyncio.sleep(self._policy.lease_seconds / 3)
            try:
                if self._running:
                    await self._transactions.renew(list(self._running))
                await self._transactions.sweep()
            except ServiceError:
                log.warning("the account store is away; leases are renewed when it is back")

"""What a gateway does for its accounts again and again: leases are renewed, dead ones swept, charges made
that the store could not take, revoked keys ended.

Whatever goes wrong in a turn is logged, and the next turn comes. A task that ends all the same is started
again: leases that nobody renews are charged and given away while their work goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from gateway.accounts.admission import Admission, TimeSource
from gateway.accounts.registry import Registry
from gateway.accounts.transactions import AccountTransactions
from gateway.errors import Unavailable

SWEEP = "sweep leases"
REVOCATION_SECONDS = 20.0  # between two looks at the keys of running work; a revoked one's ends within a minute

Work = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class RunningWork:
    """An admission whose block runs now, in a task that can be told that its key has ended."""

    def __init__(self, admission: Admission, key: str | None) -> None:
        self.admission = admission
        self.key = key  # prefix; None: anonymous
        self.revoked = False
        self.over = False  # its block has ended: there is nothing left to cancel
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0

    def revoke(self) -> None:
        if self._task is not None and not self.revoked and not self.over:
            self.revoked = True
            self._task.cancel()

    def was_revoked(self) -> bool:
        """Whether a cancellation that the block ends with is only this one's; then it is undone."""
        return self.revoked and self._task is not None and self._task.uncancel() <= self._cancelling


class LeaseKeeper:
    def __init__(
        self,
        transactions: AccountTransactions,
        registry: Registry,
        running: Mapping[str, RunningWork],
        lease_seconds: float,
        time_source: TimeSource,
    ) -> None:
        self._transactions = transactions
        self._registry = registry
        self._running = running  # by lease
        self._time_source = time_source
        self._turn = lease_seconds / 3  # seconds
        self._renewed = time_source.clock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._away_since: float | None = None  # in which the store could not be asked

    @property
    def renewal_age(self) -> float:
        """Seconds since every lease of this gateway was renewed; a lease lasts three turns."""
        return max(0.0, self._time_source.clock() - self._renewed)

    async def start(self, settle: Work) -> None:
        """Begins with a sweep, which comes later where the store is away. settle: makes the outstanding charges"""
        try:
            await self._transactions.sweep()
        except Unavailable as error:
            self._store_is_away(SWEEP, error)
        self._start("renew leases", self._turn, self.renew)
        self._start(SWEEP, self._turn, self._transactions.sweep)
        self._start("settle outstanding charges", self._turn, settle)
        self._start("end revoked work", min(self._turn, REVOCATION_SECONDS), self.end_revoked)

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def renew(self) -> None:
        """Only work that runs here is renewed: whatever could not be given back ends with its lease."""
        began = self._time_source.clock()
        running = dict(self._running)
        if running:
            until = await self._transactions.renew(list(running))
            for work in running.values():
                work.admission.renewed(until)
        self._renewed = began

    async def end_revoked(self) -> None:
        keys = {work.key for work in self._running.values() if work.key is not None}
        ended = await self._registry.ended(keys) if keys else set()
        for work in list(self._running.values()):
            if work.key in ended:
                log.info("admission %s: its key has ended", work.admission.id)
                work.revoke()

    def _start(self, name: str, seconds: float, work: Work) -> None:
        task = asyncio.create_task(self._repeat(name, seconds, work), name=name)
        task.add_done_callback(partial(self._restart, name, seconds, work))
        self._tasks[name] = task

    def _restart(
        self, name: str, seconds: float, work: Callable[[], Awaitable[None]], task: asyncio.Task[None]
    ) -> None:
        if not self._closed:
            log.critical("the task to %s ended (%r); it is started again", name, task)
            self._start(name, seconds, work)

    async def _repeat(self, name: str, seconds: float, work: Work) -> None:
        while True:
            await self._time_source.pause(seconds)
            try:
                await work()
                if name == SWEEP:  # which asks the store in every turn
                    self._store_is_back()
            except Unavailable as error:
                self._store_is_away(name, error)
            except Exception:
                log.exception("could not %s; next try in %.0f s", name, seconds)

    def _store_is_away(self, name: str, error: Unavailable) -> None:
        """Told once, however long it lasts: every task finds it away in each of its turns."""
        level = logging.DEBUG if self._away_since is not None else logging.WARNING
        log.log(level, "the store is unavailable, so nobody can %s; it is tried again: %s", name, error.__cause__)
        if self._away_since is None:
            self._away_since = self._time_source.clock()

    def _store_is_back(self) -> None:
        if self._away_since is not None:
            log.warning("the store is back after %.0f s", self._time_source.clock() - self._away_since)
            self._away_since = None

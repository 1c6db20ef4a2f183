"""A store that fails when it is told to, and time that passes only when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.accounts.database import Store

Result = TypeVar("Result")
PATIENCE = 120.0  # seconds for what is in flight
IDLE_TURNS = 12  # of the event loop in which nothing reached the store: every task waits for something


class DriverError(Exception):
    """As a PostgreSQL driver raises it: known by its SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"SQLSTATE {sqlstate}")
        self.sqlstate = sqlstate


def refusal(sqlstate: str) -> Callable[[], Exception]:
    return lambda: DBAPIError("statement", {}, DriverError(sqlstate))


ERRORS: dict[str, Callable[[], Exception]] = {
    "connection failure": refusal("08006"),
    "connection does not exist": refusal("08003"),
    "too many connections": refusal("53300"),
    "disk full": refusal("53100"),
    "shutting down": refusal("57P01"),
    "starting up": refusal("57P03"),
    "statement timeout": refusal("57014"),
    "read-only": refusal("25006"),
    "serialization failure": refusal("40001"),
    "deadlock": refusal("40P01"),
    "lock not available": refusal("55P03"),
    "input or output error": refusal("58030"),
    "connection lost": lambda: DBAPIError("statement", {}, DriverError(""), connection_invalidated=True),
    "network unreachable": lambda: OSError(101, "Network is unreachable"),
    "no answer": TimeoutError,
    "no free connection": lambda: PoolTimeout("QueuePool limit"),
}
BUGS: dict[str, Callable[[], Exception]] = {"no such column": refusal("42703")}


@dataclass(frozen=True)
class Fault:
    error: str  # of ERRORS or BUGS
    committed: bool = False  # the transaction was done, and its answer was lost
    hangs: bool = False  # nothing is heard until the store is healed


@dataclass
class FaultyStore:
    """Between one gateway and its store."""

    store: Store
    once: deque[Fault] = field(default_factory=deque)  # faults of the next transactions, one each
    outage: Fault | None = None  # of every transaction until `heal`
    dead: bool = False  # its gateway is no more: nothing reaches the store, and nothing is heard until `heal`
    calls: int = 0  # that reached the store
    in_flight: int = 0
    _healed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        return await self._call(lambda: self.store.read(work))

    async def write(self, subject: str, work: Callable[[Connection], Result]) -> Result:
        return await self._call(lambda: self.store.write(subject, work))

    async def migrate(self, work: Callable[[Connection], None]) -> None:
        await self.store.migrate(work)

    async def close(self) -> None:
        await self.store.close()

    def heal(self) -> None:
        self.once.clear()
        self.outage = None
        self._healed.set()
        self._healed = asyncio.Event()

    async def _call(self, transaction: Callable[[], Awaitable[Result]]) -> Result:
        if self.dead:
            await self._healed.wait()
            raise ERRORS["connection failure"]()
        fault = self.once.popleft() if self.once else self.outage
        if fault is None or fault.committed:
            self.calls += 1
            self.in_flight += 1
            try:
                result = await transaction()
            finally:
                self.in_flight -= 1
            if fault is None:
                return result
        if fault.hangs:
            await self._healed.wait()
        raise (ERRORS | BUGS)[fault.error]()


@dataclass
class World:
    now: float  # seconds since 1970
    stores: list[FaultyStore] = field(default_factory=list)

    async def quiesce(self) -> None:
        """Until every task waits for time, for the store's recovery, or for its next command."""
        quiet, calls = 0, -1
        deadline = time.monotonic() + PATIENCE
        while quiet < IDLE_TURNS:
            assert time.monotonic() < deadline, f"in flight: {[store.in_flight for store in self.stores]}"
            busy = any(store.in_flight for store in self.stores if not store.dead)
            made = sum(store.calls for store in self.stores)
            quiet = 0 if busy or made != calls else quiet + 1
            calls = made
            await asyncio.sleep(0.0005 if busy else 0)


@dataclass
class GatewayTime:
    """One gateway's clock, which may be wrong, and its timers."""

    world: World
    skew: float = 0.0  # seconds by which its clock is ahead
    frozen: bool = False  # the process stands still
    timers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)

    def clock(self) -> float:
        return self.world.now + self.skew

    async def pause(self, seconds: float) -> None:
        timer = (self.world.now + seconds, asyncio.get_running_loop().create_future())
        self.timers.append(timer)
        try:
            await timer[1]
        finally:
            self.timers.remove(timer)

    def fire(self) -> None:
        if self.frozen:
            return
        for due, future in self.timers:
            if due <= self.world.now and not future.done():
                future.set_result(None)

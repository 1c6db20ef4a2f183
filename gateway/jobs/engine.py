"""The durable engine that jobs run on: DBOS Transact, in SQLite or in PostgreSQL.

The engine queues, orders by priority, hands a job to one gateway at a time, and fences off one that lost it. What it
leaves to its user is to say which gateways are dead: each gateway renews a row of its own (`gateways`), and whoever
sees work of one that does not any more gives it back to the queue. The engine lives in threads of its own; the work
itself runs in the gateway's event loop.

It exists once in a process, and so does this module's `_runners`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import URL, make_url

from gateway.accounts.database import driver_url
from gateway.jobs.engine_log import RepeatedEntries

Run = Callable[[str], Awaitable[None]]

JOBS = "jobs"
WEBHOOKS = "webhooks"
APPLICATION = "stt"
FORMAT = "1"  # of the engine's workflows: gateways with the same one take each other's jobs
POOL = 5  # connections of the engine to PostgreSQL
CHECK_SECONDS = 1.0  # between two looks at a queue
START_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('start of the job engine', 0))")
START_SECONDS = 0.1  # between two tries to have it
UNUSED_SECONDS = 3600.0  # between two looks for schedules, which this service does not use

_runners: dict[str, Callable[[str], Awaitable[None]]] = {}  # of this process, by queue


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much of a queue's work a gateway does at once."""

    at_once: int
    of_one_caller: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    queue: str
    name: str  # what the queue's runner is called with
    priority: int = 1  # smaller comes sooner
    caller: str | None = None  # of a queue that bounds what each caller has
    delay: float = 0.0  # seconds until its turn may come


@DBOS.workflow(name="stt")
async def _work(queue: str, task: str) -> None:
    """What the engine calls, in its own loop."""
    await _runners[queue](task)


@dataclass(slots=True)
class JobEngine:
    url: str  # of its tables
    executor: str  # this gateway's name
    limits: Mapping[str, QueueLimits]  # by queue

    async def start(self, runs: Mapping[str, Run]) -> None:
        """runs: by queue; each ends when its task has, however it ended, and must never be called twice at once"""
        loop = asyncio.get_running_loop()
        for queue, run in runs.items():
            _runners[queue] = _bridge(loop, run)
        await asyncio.to_thread(self._launch)

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self.url,
            "executor_id": self.executor,
            "application_version": FORMAT,
            "sys_db_pool_size": POOL,
            "log_level": "WARNING",
            "scheduler_polling_interval_sec": UNUSED_SECONDS,
        }
        DBOS(config=config)
        log = logging.getLogger("dbos")  # writes to the terminal by itself
        log.handlers[:], log.filters[:], log.propagate = [], [RepeatedEntries()], True
        with alone(self.url):
            DBOS.launch()
        for name, limits in self.limits.items():
            bounds: dict[str, Any] = {"worker_concurrency": limits.at_once}
            if limits.of_one_caller is not None:
                bounds["partition_worker_concurrency"] = limits.of_one_caller
            DBOS.register_queue(name, polling_interval_sec=CHECK_SECONDS, on_conflict="always_update", **bounds)

    async def enqueue(self, identity: str, task: QueuedTask) -> None:
        """Once for each identity, however often it is called."""
        options: dict[str, Any] = {"priority": task.priority}
        if task.caller is not None:
            options["queue_partition_key"] = task.caller
        if task.delay > 0:
            options["delay_seconds"] = task.delay

        def add() -> None:
            with SetWorkflowID(identity), SetEnqueueOptions(**options):
                DBOS.enqueue_workflow(task.queue, _work, task.queue, task.name)

        await asyncio.to_thread(add)

    async def cancel(self, identities: Iterable[str]) -> None:
        """Those that still wait never begin."""
        await asyncio.to_thread(DBOS.cancel_workflows, list(identities))

    async def forget(self, identities: Iterable[str]) -> None:
        await asyncio.to_thread(DBOS.delete_workflows, list(identities))

    async def executors(self) -> set[str]:
        """Those that have work in hand, dead or alive."""

        def find() -> set[str]:
            pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
            return {each.executor_id for each in pending if each.executor_id}

        return await asyncio.to_thread(find)

    async def give_back(self, executors: Iterable[str]) -> None:
        """What they had in hand waits in its queue again."""
        await asyncio.to_thread(DBOS._recover_pending_workflows, list(executors))

    async def close(self) -> None:
        """What is still in hand stays so, for `give_back` by whoever comes next."""
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)
        _runners.clear()


@contextmanager
def alone(url: str) -> Iterator[None]:
    """While the block runs, no other gateway of this PostgreSQL runs its own: two that make the engine's tables at the
    same time stand in each other's way, and one of them does not start.

    The lock is tried for again and again: a statement that waits for it would hold up an index that the other one makes
    beside running work, for which PostgreSQL waits until every statement has ended.
    """
    if not url.startswith("postgresql"):
        yield
        return
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:  # whose lock ends with it
        while not connection.execute(START_LOCK).scalar():
            time.sleep(START_SECONDS)
        yield


def _bridge(loop: asyncio.AbstractEventLoop, run: Run) -> Run:
    """The same, from the engine's loop. It ends with the gateway, without a word to the engine."""

    async def bridged(task: str) -> None:
        async def call() -> None:
            await run(task)

        future = asyncio.run_coroutine_threadsafe(call(), loop)
        try:
            await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            await (
                asyncio.Event().wait()
            )  # the gateway stops: the task is not done, and the engine is not told that it is
            raise

    return bridged


def engine_url(accounts: str, file: Path) -> str:
    """Beside the account store. accounts: its address, "" for SQLite; file: where SQLite keeps the engine's tables"""
    if not accounts or driver_url(accounts).drivername == "sqlite":
        return f"sqlite:///{file}"
    url: URL = make_url(driver_url(accounts).render_as_string(hide_password=False)).set(drivername="postgresql+psycopg")
    query = dict(url.query)
    if "ssl" in query:  # as asyncpg calls it
        query["sslmode"] = query.pop("ssl")
    return url.set(query=query).render_as_string(hide_password=False)

"""Transactions on the account store, over SQLite (embedded) or PostgreSQL (several gateways).

Work is a function of a connection and runs whole: on PostgreSQL over asyncpg, on SQLite in a thread of
its own, because a switch of threads at every statement would take longer than the statements.

A write is serialised per subject: SQLite has one writer at a time anyway, PostgreSQL takes an advisory
lock. Inside it a balance may be read and acted on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.accounts.store_errors import KINDS, unavailability
from gateway.errors import Unavailable

BUSY_SECONDS = 5.0  # how long a SQLite writer waits for another process
CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10.0  # after which PostgreSQL, or the way to it, counts as unavailable
POOL_SECONDS = 10.0  # to wait for a free connection
CONNECTIONS = 10  # of one gateway to PostgreSQL, and as many more for a rush
ABANDONED_MILLISECONDS = 15_000  # after which PostgreSQL ends a transaction whose gateway stands still
CONFLICT = "conflict"  # with another transaction, which was rolled back whole
ATTEMPTS = 3  # at a transaction that is in conflict
MIGRATION_LOCK = "migration"  # gateways that start together migrate one after the other
RETRY_SECONDS = 5  # what a client is told
_SERVER_SETTINGS = {
    "server_settings": {
        "application_name": "stt",
        "idle_in_transaction_session_timeout": str(ABANDONED_MILLISECONDS),
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }
}
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))")
Result = TypeVar("Result")
Work = Callable[[Connection], Result]


class Store(Protocol):
    async def read(self, work: Work[Result]) -> Result: ...
    async def write(self, subject: str, work: Work[Result]) -> Result: ...
    async def migrate(self, work: Work[None]) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SchemaHistory:
    """Where the migrations of a store's tables lie, and where the store notes which were made."""

    folder: str  # package:folder, as Alembic writes it
    table: str


ACCOUNTS = SchemaHistory("gateway.accounts:migrations", "alembic_version")


class Database:
    """One store. `durable` makes a SQLite commit survive a power cut, at the price of a disk flush.

    through: what every transaction passes on its way to the store; tests let it fail there
    raises: ValueError for an address of any other kind; Unavailable, here and later, while it is away
    """

    def __init__(
        self,
        url: str,
        *,
        durable: bool = False,
        through: Callable[[Store], Store] | None = None,
        history: SchemaHistory = ACCOUNTS,
    ) -> None:
        parsed = driver_url(url)
        self._history = history
        self._shared = parsed.drivername != "sqlite"
        self.failures = Counter(dict.fromkeys(KINDS, 0))  # transactions that the store did not do, by kind
        with self._failures():
            store = _open(parsed, durable)
            self._store = store if through is None else through(store)

    @property
    def shared(self) -> bool:
        """Whether gateways on several machines may use it."""
        return self._shared

    async def migrate(self) -> None:
        """Bring the schema to the newest version; several gateways may try at once."""
        with self._failures():
            await self._store.migrate(partial(_upgrade, self._history))

    async def read(self, work: Work[Result]) -> Result:
        with self._failures():
            return await self._store.read(work)

    async def write(self, subject: str, work: Work[Result]) -> Result:
        """Run work as one transaction, which no other write for the same subject overlaps.

        It runs again, from its beginning, where it was in conflict with another one.
        """
        with self._failures():
            for _ in range(ATTEMPTS - 1):
                try:
                    return await self._store.write(subject, work)
                except Exception as error:
                    if unavailability(error) != CONFLICT:
                        raise
            return await self._store.write(subject, work)

    async def close(self) -> None:
        await self._store.close()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """A store that is unavailable is a 503; the driver's own words may hold its address, so they stay inside."""
        try:
            yield
        except Exception as error:
            kind = unavailability(error)
            if kind is None:
                raise
            self.failures[kind] += 1
            raise Unavailable("The account store is away for now.", retry_after=RETRY_SECONDS) from error


def _open(url: URL, durable: bool) -> Store:
    return _Sqlite(url, durable) if url.drivername == "sqlite" else _Postgres(url)


class _Postgres:
    """Nothing waits for ever: a partition that drops packets is not told to the driver for a quarter of an hour."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = create_async_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=CONNECTIONS,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",  # a snapshot from before the lock would hide what it waited for
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS, **_SERVER_SETTINGS},
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by subject

    async def read(self, work: Work[Result]) -> Result:
        async with self._reading.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, subject: str, work: Work[Result]) -> Result:
        """Many at once of one subject wait here, with one connection, and not with all that there are."""
        turn = self._turns.setdefault(subject, asyncio.Lock())
        async with turn, self._engine.begin() as connection:
            await connection.execute(LOCK, {"subject": subject})
            return await connection.run_sync(work)

    async def migrate(self, work: Work[None]) -> None:
        """On a connection that may take its time: a large ledger is rewritten, another gateway migrates."""
        engine = create_async_engine(self._url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})
        async with engine.begin() as connection:
            await connection.execute(LOCK, {"subject": MIGRATION_LOCK})
            await connection.run_sync(work)

    async def close(self) -> None:
        await self._engine.dispose()


class _Sqlite:
    """One thread that writes and one that reads: neither waits for the other (write-ahead log)."""

    def __init__(self, url: URL, durable: bool) -> None:
        file = Path(url.database or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        _close_to_others(file)
        self._engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
        self._writer = ThreadPoolExecutor(1, "accounts-writer")
        self._reader = ThreadPoolExecutor(1, "accounts-reader")
        event.listen(self._engine, "connect", _configure("FULL" if durable else "NORMAL"))
        event.listen(self._engine, "begin", _begin)

    async def read(self, work: Work[Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)

    async def write(self, subject: str, work: Work[Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def migrate(self, work: Work[None]) -> None:
        await self.write(MIGRATION_LOCK, work)

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._reader.shutdown)
        self._engine.dispose()

    def _read(self, work: Work[Result]) -> Result:
        with self._engine.connect() as connection:
            return work(connection)

    def _write(self, work: Work[Result]) -> Result:
        with self._engine.connect().execution_options(stt_writes=True) as connection, connection.begin():
            return work(connection)


def _close_to_others(file: Path) -> None:
    """The store is for the service's user alone; journals that SQLite makes take after it.

    Where it belongs to another user, who lets this one write, its mode stays as that user set it.
    """
    file.touch(mode=0o600)
    for part in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            part.chmod(0o600)


def driver_url(url: str) -> URL:
    """`sqlite:///file`, `postgresql://…` and `postgres://…` → the same with the driver that is used."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres:") else url)
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg"}
    backend = parsed.get_backend_name()
    if backend not in drivers:
        raise ValueError(f"The account store is sqlite:///file or postgresql://host/name, not {backend}.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("The account store needs a file: sqlite:///accounts.db.")
    return parsed.set(drivername=drivers[backend])


def _configure(synchronous: str) -> Callable[[Any, object], None]:
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where _begin says, not where sqlite3 guesses
        # secure_delete: what is forgotten (transcripts, salts) is not left in free pages
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return configure


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("stt_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(history: SchemaHistory, connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", history.folder)
    config.attributes["version_table"] = history.table
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

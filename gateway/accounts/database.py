"""Connections and transactions, over SQLite (embedded) or PostgreSQL (several gateways).

A write transaction is serialised per subject: SQLite has one writer at a time anyway, PostgreSQL takes
an advisory lock. Whoever holds it may read a balance and act on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.errors import Unavailable

BUSY_MS = 5_000  # how long a SQLite writer waits for another process
MIGRATION_LOCK = 0x5717_AC01  # any constant: gateways that start together migrate one after the other
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))")


class Database:
    """One store. `durable` makes a SQLite commit survive a power cut, at the price of a disk flush."""

    def __init__(self, url: str, *, durable: bool = False) -> None:
        self._url = driver_url(url)
        self._postgres = self._url.get_backend_name() == "postgresql"
        self._writing = asyncio.Lock()
        self._engine = _postgres(self._url) if self._postgres else _sqlite(self._url, durable)

    async def migrate(self) -> None:
        """Bring the schema to the newest version; several gateways may try at once."""
        with _store_errors():
            async with self._engine.connect() as connection:
                await connection.execution_options(stt_write=True)
                if self._postgres:
                    await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                await connection.run_sync(_upgrade)
                await connection.commit()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _store_errors():
            async with self._engine.connect() as connection:
                if self._postgres:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection

    @contextlib.asynccontextmanager
    async def write(self, subject: str) -> AsyncIterator[AsyncConnection]:
        """A transaction that no other write for the same subject overlaps."""
        # Without the lock, SQLite's writers would poll for each other in threads.
        turn = contextlib.nullcontext() if self._postgres else self._writing
        with _store_errors():
            async with turn, self._engine.connect() as connection:
                await connection.execution_options(stt_write=True)
                if self._postgres:
                    await connection.execute(LOCK, {"subject": subject})
                yield connection
                await connection.commit()

    async def close(self) -> None:
        await self._engine.dispose()


def driver_url(url: str) -> URL:
    """`sqlite:///file`, `postgresql://…` and `postgres://…` → the same with the asynchronous driver."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres:") else url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    backend = parsed.get_backend_name()
    if backend not in drivers:
        raise ValueError(f"The account store is sqlite:///file or postgresql://host/name, not {backend}.")
    return parsed.set(drivername=drivers[backend])


def _postgres(url: URL) -> AsyncEngine:
    return create_async_engine(url, pool_size=10, max_overflow=10, pool_timeout=10, pool_pre_ping=False)


def _sqlite(url: URL, durable: bool) -> AsyncEngine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_MS / 1000})

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where _begin says, not where sqlite3 guesses
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("stt_write"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "gateway.accounts:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """A store that is away is a 503; the driver's own words may hold its address, so they stay inside."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise Unavailable("The account store is away for now.", retry_after=5) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The account store is away for now.", retry_after=5) from error
        raise

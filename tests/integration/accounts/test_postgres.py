"""What only a PostgreSQL can do to its gateways."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text

from gateway.accounts.database import CONNECTIONS, LOCK, Database
from gateway.errors import Unavailable
from tests.integration.accounts.account_stores import AccountStore

# SQLite has one writer and no connections to run out of.
pytestmark = pytest.mark.parametrize("empty_store", ["postgresql"], indirect=True)


def told(statement: str, connection: Connection) -> Any:
    return connection.execute(text(statement)).scalar()


@pytest.fixture
def database(store: AccountStore) -> Database:
    return Database(store.url)


async def test_many_requests_of_one_caller_leave_connections_to_the_others(
    store: AccountStore, database: Database
) -> None:
    """Each waits for the caller's lock; where each did so with a connection, nobody else got one."""
    other = await asyncpg.connect(store.url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(LOCK.text.replace(":subject", "$1"), "busy")
    waiting = [
        asyncio.create_task(database.write("busy", lambda c: c.execute(text("SELECT 1")).scalar()))
        for _ in range(3 * CONNECTIONS)
    ]
    await asyncio.sleep(0)

    async with asyncio.timeout(60):
        assert await database.write("idle", lambda c: c.execute(text("SELECT 2")).scalar()) == 2
    assert not any(each.done() for each in waiting)

    await transaction.rollback()
    await other.close()
    assert await asyncio.gather(*waiting) == [1] * len(waiting)
    await database.close()


async def test_a_statement_that_is_never_answered_is_given_up(
    store: AccountStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.accounts.database.STATEMENT_SECONDS", 0.5)
    impatient = Database(store.url)

    async with asyncio.timeout(60):
        with pytest.raises(Unavailable):
            await impatient.read(lambda c: told("SELECT pg_sleep(600)", c))


async def test_a_server_that_takes_connections_and_says_nothing_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.accounts.database.CONNECT_SECONDS", 0.5)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]

    async with asyncio.timeout(60):
        with pytest.raises(Unavailable):
            await Database(f"postgresql://stt@127.0.0.1:{port}/stt").read(lambda c: told("SELECT 1", c))
    silent.close()


async def test_connections_that_died_in_the_pool_fail_no_transaction(store: AccountStore, database: Database) -> None:
    assert await database.write("one", lambda c: told("SELECT 1", c)) == 1
    other = await asyncpg.connect(store.url)
    ended = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = 'stt'"
    assert await other.fetchval(ended) > 0

    assert await database.write("one", lambda c: told("SELECT 2", c)) == 2
    assert sum(database.failures.values()) == 0
    await database.close()
    await other.close()


async def test_a_transaction_sees_what_was_committed_while_it_waited_for_its_lock(
    store: AccountStore, database: Database
) -> None:
    """Whatever isolation the server is set to: a snapshot from before the lock would hide it."""
    other = await asyncpg.connect(store.url)
    await other.execute("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'repeatable read'")
    try:
        assert await database.write("one", lambda c: told("SHOW transaction_isolation", c)) == "read committed"
    finally:
        await other.execute("ALTER ROLE CURRENT_USER RESET default_transaction_isolation")
        await other.close()
        await database.close()


async def test_a_gateway_that_stands_still_in_a_transaction_keeps_its_lock_for_seconds(database: Database) -> None:
    assert await database.write("one", lambda c: told("SHOW idle_in_transaction_session_timeout", c)) == "15s"
    await database.close()

"""What only a PostgreSQL can do to its gateways."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from gateway.accounts.database import CONNECTIONS, LOCK, Database
from tests.integration.accounts.account_stores import AccountStore


@pytest.fixture
def database(store: AccountStore) -> Database:
    if not store.url.startswith("postgresql"):
        pytest.skip("SQLite has one writer and no connections to run out of")
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

"""Each test of this folder runs on SQLite and on a real PostgreSQL, each time on an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from benchmarks.postgres import running_postgres
from tests.integration.accounts.account_stores import AccountStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> AccountStore:
    """Without a table."""
    url = f"sqlite:///{tmp_path / 'accounts.db'}"
    if request.param == "postgresql":
        url = await _empty_database(request.getfixturevalue("postgres"))
    return AccountStore(url)


@pytest.fixture
async def store(empty_store: AccountStore) -> AccountStore:
    await empty_store.migrate()
    return empty_store


async def _empty_database(server: str) -> str:
    """A new schema rather than a new database, which would be three hundred files for each test."""
    connection = await asyncpg.connect(server)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return server

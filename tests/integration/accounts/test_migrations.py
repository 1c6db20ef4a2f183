import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.accounts.database import Database
from gateway.accounts.schema import metadata
from gateway.errors import Unavailable
from tests.integration.accounts.account_stores import AccountStore


async def test_the_migrations_make_the_tables_that_the_code_expects(store: AccountStore) -> None:
    database = Database(store.url)
    differences = await database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    await database.close()

    assert differences == []


async def test_gateways_that_start_together_migrate_once(store: AccountStore) -> None:
    await store.key(credits=5)
    gateways = [store.gateway() for _ in range(4)]

    async def start(number: int) -> None:
        async with gateways[number]:
            pass

    await asyncio.gather(*(start(number) for number in range(4)))

    assert await store.balance() == 5


async def test_a_store_that_is_away_is_503_and_keeps_its_address_to_itself(tmp_path: Path) -> None:
    for url in (f"sqlite:////proc/nowhere/{tmp_path.name}.db", f"postgresql://u:secret@/db?host={tmp_path}"):
        with pytest.raises(Unavailable) as refused:
            database = Database(url)
            await database.migrate()
        assert str(refused.value) == "The account store is away for now."
        assert refused.value.retry_after > 0

"""The load generator of the account store never writes into a store that somebody uses."""

import pytest

from gateway.accounts.measure import StoreLoad, StoreNotEmpty, measure
from tests.integration.accounts.account_stores import AccountStore

SMALL = StoreLoad(keys=4, checks=8, callers=2, seconds=0.05)


async def test_an_empty_store_is_measured(store: AccountStore) -> None:
    measured = await measure(store.url, SMALL)

    assert measured["keys"] == 4
    assert 0 < measured["p50_ms"] <= measured["p99_ms"]
    assert measured["checks_per_second"] > 0


async def test_a_store_that_has_rows_is_refused_before_anything_is_written(store: AccountStore) -> None:
    await store.key("paid", credits=5)
    before = await store.entries()

    with pytest.raises(StoreNotEmpty, match="only an empty one"):
        await measure(store.url, SMALL)

    assert await store.entries() == before

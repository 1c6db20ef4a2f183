"""Whichever gateway of a store is asked knows how far a request is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.accounts import TimeSource
from gateway.accounts.database import Database
from gateway.accounts.shared_progress import VALID_MILLISECONDS, SharedProgress, share_progress
from gateway.progress import ProgressRegistry
from tests.integration.accounts.account_stores import AccountStore


class Gateway:
    def __init__(self, store: AccountStore) -> None:
        self.database = Database(store.url)
        self.registry = ProgressRegistry()
        self.shared = SharedProgress(self.database, self.registry, TimeSource(store.clock))

    async def told(self, identity: str) -> tuple[str, float] | None:
        found = await self.shared.find(identity)
        return None if found is None else (found.stage, found.done)


@pytest.fixture
async def gateways(store: AccountStore) -> AsyncIterator[list[Gateway]]:
    await store.migrate()
    both = [Gateway(store), Gateway(store)]
    yield both
    for gateway in both:
        await gateway.shared.withdraw()
        await gateway.database.close()


async def test_another_gateway_tells_how_far_a_request_is_until_it_ends(gateways: list[Gateway]) -> None:
    here, there = gateways
    with here.registry.follow("meeting-0007") as progress:
        await here.shared.publish()
        first = await there.told("meeting-0007")
        progress.decoded(30.0, 60.0)
        await here.shared.publish()
        assert (first, await there.told("meeting-0007")) == (("receiving", 0.0), ("decoding", 0.5))
    await here.shared.publish()

    assert await there.told("meeting-0007") is None


async def test_a_killed_gateways_requests_are_soon_in_hand_no_more(
    store: AccountStore, gateways: list[Gateway]
) -> None:
    here, there = gateways
    with here.registry.follow("meeting-0007"):
        await here.shared.publish()
        store.clock.now += VALID_MILLISECONDS / 1000
        assert await there.told("meeting-0007") is None


async def test_the_first_request_under_an_id_keeps_its_place_at_every_gateway(
    store: AccountStore, gateways: list[Gateway]
) -> None:
    here, there = gateways
    with here.registry.follow("meeting-0007") as first, there.registry.follow("meeting-0007"):
        first.decoded(1.0, 4.0)
        await here.shared.publish()
        store.clock.now += 1
        await there.shared.publish()
        await here.shared.publish()

        assert await there.told("meeting-0007") == await here.told("meeting-0007") == ("decoding", 0.25)


async def test_only_a_store_of_several_gateways_is_told(store: AccountStore) -> None:
    await store.migrate()
    database = Database(store.url)
    async with share_progress(database, ProgressRegistry()) as shared:
        assert (shared is not None) == store.url.startswith("postgresql")
    await database.close()

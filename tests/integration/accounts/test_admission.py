import pytest
from account_stores import Store, identify


async def test_a_recording_costs_its_minutes_rounded_up(store: Store) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts, accounts.admit(await identify(accounts, key)) as admission:
        await admission.hold(61.0)
        await admission.settle(61.0)

    assert admission.limit.headers() == {"X-Credits-Remaining": "8"}
    assert await store.balance() == 8
    assert await store.leases() == []


async def test_a_failure_gives_everything_back(store: Store) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        with pytest.raises(RuntimeError):
            async with accounts.admit(await identify(accounts, key)) as admission:
                await admission.hold(300.0)
                raise RuntimeError("the engine failed")

    assert await store.balance() == 10
    assert [entry.kind for entry in await store.entries()] == ["grant", "hold", "hold", "release"]

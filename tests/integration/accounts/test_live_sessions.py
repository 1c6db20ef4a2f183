import asyncio

import pytest

from gateway.accounts import Accounts, Caller
from gateway.errors import PaymentRequired, ServiceError, TooManyRequests
from tests.integration.accounts.account_stores import AccountStore, identify


async def listen(accounts: Accounts, caller: Caller, seconds: int) -> float:
    """Audio in pieces of five seconds. returns: seconds that were let in"""
    heard = 0.0
    async with accounts.admit_session(caller) as session:
        for second in range(5, seconds + 1, 5):
            await session.meter(second)
            heard = second
    return heard


async def test_a_session_is_charged_for_the_minutes_it_heard(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        await listen(accounts, await identify(accounts, key), 125)

    assert await store.balance() == 7
    assert await store.leases() == []


async def test_minutes_count_while_the_session_runs(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        caller = await identify(accounts, key)
        async with accounts.admit_session(caller) as session:
            await session.meter(65)
            running = (await accounts.usage(caller)).as_json()["transcription"]

    held = 3  # of which one is ahead of the minute that runs
    assert (running["remaining"], running["held"], running["running"]) == (10 - held, held, 1)


async def test_a_session_ends_with_an_error_when_the_credits_end(store: AccountStore) -> None:
    key = await store.key(credits=2)
    async with store.gateway() as accounts:
        with pytest.raises(PaymentRequired):
            await listen(accounts, await identify(accounts, key), 600)

    assert await store.balance() == 0
    assert [entry.milliseconds for entry in await store.entries() if entry.kind == "settle"] == [120_000]


async def test_free_minutes_are_used_to_the_last_second(store: AccountStore) -> None:
    key = await store.key("free")
    async with store.gateway() as accounts:
        caller = await identify(accounts, key)
        async with accounts.admit(caller) as admission:
            await admission.settle(600 * 60 - 90)
        with pytest.raises(TooManyRequests):
            await listen(accounts, caller, 600)
        usage = await accounts.usage(caller)

    assert usage.transcription.left == 0


async def test_two_sessions_share_what_is_left(store: AccountStore) -> None:
    key = await store.key(credits=7)
    async with store.gateway() as one, store.gateway() as other:
        results = await asyncio.gather(
            listen(one, await identify(one, key), 600),
            listen(other, await identify(other, key), 600),
            return_exceptions=True,
        )

    assert all(isinstance(result, PaymentRequired) for result in results)
    assert await store.balance() == 0


async def test_a_session_without_audio_costs_nothing(store: AccountStore) -> None:
    key = await store.key(credits=1)
    async with store.gateway() as accounts:
        await listen(accounts, await identify(accounts, key), 0)

    assert await store.balance() == 1


async def test_a_client_that_just_leaves_pays_for_what_was_heard(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        async with asyncio.timeout(30):
            with pytest.raises(ConnectionResetError):
                async with accounts.admit_session(await identify(accounts, key)) as session:
                    await session.meter(61)
                    raise ConnectionResetError

    assert await store.balance() == 8


async def test_an_anonymous_session_is_one_of_the_three_and_ends_after_an_hour(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        caller = await identify(accounts)
        async with accounts.admit_session(caller) as session:
            with pytest.raises(ServiceError, match="60 minutes"):
                for second in range(60, 7200, 60):
                    await session.meter(second)
        usage = await accounts.usage(caller)

    assert usage.transcription.left == 2
    assert usage.transcription.milliseconds == 3_600_000


async def test_a_session_of_next_to_no_audio_ends_after_an_hour_by_the_clock(store: AccountStore) -> None:
    async with store.gateway() as accounts, accounts.admit_session(await identify(accounts)) as session:
        await session.meter(0.1)
        store.clock.now += 3601
        with pytest.raises(TooManyRequests, match="60 minutes"):
            await session.meter(0.2)


@pytest.mark.parametrize("lapses_after", [300, 600])
async def test_a_session_that_outlives_its_lease_pays_each_minute_once(store: AccountStore, lapses_after: int) -> None:
    """Its gateway could not renew the lease, another one gave back what it held, and the audio went on."""
    key = await store.key(credits=100)
    async with store.gateway() as accounts, store.gateway() as other:
        caller = await identify(accounts, key)
        async with accounts.admit_session(caller) as session:
            for second in range(5, 605, 5):
                await session.meter(second)
                if second == lapses_after:
                    store.clock.now += 61
                    async with other.admit(caller):
                        pass
                    assert session.id not in [lease.id for lease in await store.leases()]

    assert await store.balance() == 90
    assert (await store.entries())[-1].milliseconds == 600_000


async def test_credits_that_went_elsewhere_after_a_lapse_are_not_spent_twice(store: AccountStore) -> None:
    """The session pays what is left, and what it had cannot be taken from anybody else."""
    key = await store.key(credits=10)
    async with store.gateway() as accounts, store.gateway() as other:
        caller = await identify(accounts, key)
        async with accounts.admit_session(caller) as session:
            await session.meter(170)
            store.clock.now += 61
            async with other.admit(caller) as admission:
                await admission.settle(60 * (await other.usage(caller)).transcription.left)

    assert await store.balance() == 0


async def test_a_session_takes_a_slot(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        caller = await identify(accounts)
        async with accounts.admit_session(caller):
            with pytest.raises(TooManyRequests, match="At most 1 at once"):
                async with accounts.admit(caller):
                    pass

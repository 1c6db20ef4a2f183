"""The store fails for a while: nothing that was done is thrown away, nothing is charged twice, nothing stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from gateway.accounts import AccountPolicy, Accounts, LiveSession, TimeSource
from gateway.accounts.database import Database, Store
from gateway.errors import Unauthorized, Unavailable
from tests.integration.accounts.account_stores import NOON, AccountStore, identify, tiers
from tests.integration.accounts.faulty_store import ERRORS, Fault, FaultyStore, GatewayTime, World

Result = TypeVar("Result")
LEASE = 60.0  # seconds
MINUTE = 60  # seconds
TURN = LEASE / 3  # seconds between two turns of the keeper


@dataclass
class FaultyGateway:
    accounts: Accounts
    store: FaultyStore
    time: GatewayTime

    async def wait(self, seconds: float) -> None:
        """Time passes, in steps in which its timers ring."""
        for _ in range(round(seconds)):
            self.time.world.now += 1
            self.time.fire()
            await self.time.world.quiesce()

    async def finish(self, work: Coroutine[Any, Any, Result] | asyncio.Task[Result]) -> Result:
        """Time passes until the work is done, two minutes at most."""
        task = asyncio.ensure_future(work)
        await self.time.world.quiesce()
        for _ in range(120):
            if task.done():
                break
            await self.wait(1)
        assert task.done()
        return await task


@asynccontextmanager
async def faulty_gateway(store: AccountStore, world: World | None = None) -> AsyncIterator[FaultyGateway]:
    world = world or World(NOON)
    time = GatewayTime(world)
    placed: list[FaultyStore] = []

    def through(real: Store) -> Store:
        placed.append(FaultyStore(real))
        return placed[0]

    database = Database(store.url, through=through)
    async with Accounts(
        database, AccountPolicy(tiers(), lease_seconds=LEASE), TimeSource(time.clock, time.pause)
    ) as one:
        world.stores.append(placed[0])
        yield FaultyGateway(one, placed[0], time)
        placed[0].heal()


@pytest.mark.parametrize("error", sorted(ERRORS))
@pytest.mark.parametrize("committed", [False, True])
async def test_work_that_is_done_is_settled_when_the_store_is_back(
    store: AccountStore, error: str, committed: bool
) -> None:
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit(await identify(gateway.accounts, key)) as admission,
    ):
        await admission.hold(170.0)
        gateway.store.outage = Fault(error, committed)
        settling = asyncio.create_task(admission.settle(170.0))
        await gateway.wait(30)
        assert not settling.done()
        gateway.store.heal()
        await gateway.finish(settling)

    assert await store.balance() == 7
    assert [entry.kind for entry in await store.entries()] == ["grant", "settle"]


async def test_the_length_is_held_when_the_store_is_back(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit(await identify(gateway.accounts, key)) as admission,
    ):
        gateway.store.outage = Fault("starting up")
        holding = asyncio.create_task(admission.hold(170.0))
        await gateway.wait(10)
        gateway.store.heal()
        await gateway.finish(holding)
        assert admission.limit.headers() == {"X-Credits-Remaining": "7"}


async def test_settling_is_given_up_when_the_lease_ends_and_costs_nothing(
    store: AccountStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:
        caller = await identify(gateway.accounts, key)
        with pytest.raises(Unavailable) as refused:
            async with gateway.accounts.admit(caller) as admission:
                gateway.store.outage = Fault("shutting down")
                await gateway.finish(admission.settle(60.0))
        gateway.store.heal()
        await gateway.wait(TURN)

    assert int(refused.value.headers["Retry-After"]) > 0
    assert await store.balance() == 10
    assert await store.leases() == []
    assert "returns when its lease ends" in caplog.text


async def test_a_settled_charge_whose_answer_was_lost_is_not_made_again(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit(await identify(gateway.accounts, key)) as admission,
    ):
        gateway.store.once.append(Fault("connection lost", committed=True))
        await gateway.finish(admission.settle(60.0))
        assert admission.limit.headers() == {"X-Credits-Remaining": "9"}

    assert await store.balance() == 9


async def test_a_request_whose_admission_was_lost_on_the_way_frees_its_slot(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:
        caller = await identify(gateway.accounts, key)
        gateway.store.once.append(Fault("connection lost", committed=True))
        with pytest.raises(Unavailable):
            async with gateway.accounts.admit(caller):
                pass
        await gateway.time.world.quiesce()

        assert await store.leases() == []


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_live_session_goes_on_for_the_minute_that_it_holds_ahead(store: AccountStore, hangs: bool) -> None:
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit_session(await identify(gateway.accounts, key)) as session,
    ):
        await session.meter(1)
        gateway.store.outage = Fault("starting up", hangs=hangs)
        began = gateway.time.clock()
        await gateway.finish(_speak(session, 2, 119))
        waited = gateway.time.clock() - began
        gateway.store.heal()
        await gateway.wait(6)
        await gateway.finish(_speak(session, 120, 130))

    assert waited <= (1 if hangs else 30)  # seconds; a look at a store that does not answer costs one
    assert await store.balance() == 7


async def test_a_live_session_whose_time_is_used_up_waits_for_the_store(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit_session(await identify(gateway.accounts, key)) as session,
    ):
        await session.meter(60)
        gateway.store.outage = Fault("starting up")
        speaking = asyncio.create_task(_speak(session, 100, 160))
        await gateway.wait(10)
        assert not speaking.done()
        gateway.store.heal()
        await gateway.finish(speaking)

    assert await store.balance() == 7


@pytest.mark.parametrize("swept", [False, True])
async def test_a_live_session_that_ends_in_an_outage_pays_all_its_minutes_later(
    store: AccountStore, swept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lease ends before the store is back; another gateway charges what the store knew of, or nobody did."""
    key = await store.key(credits=20)
    async with faulty_gateway(store) as gateway, store.gateway() as other:
        caller = await identify(gateway.accounts, key)
        async with gateway.accounts.admit_session(caller) as session:
            await gateway.finish(_speak(session, 1, 61))
            gateway.store.outage = Fault("starting up")
            await gateway.finish(_speak(session, 62, 170))
            ending = asyncio.create_task(gateway.wait(LEASE + 5))
        await ending
        assert gateway.accounts.status.outstanding == 1
        assert "170 s of audio is charged when the store is back" in caplog.text
        if swept:
            store.clock.now = gateway.time.clock()
            async with other.admit(await identify(other, key)):
                pass
            assert [entry.kind for entry in await store.entries()] == ["grant", "lapse"]
        gateway.store.heal()
        await gateway.wait(2 * TURN)
        assert gateway.accounts.status.outstanding == 0
        assert await store.leases() == []

    assert await store.balance() == 17
    assert (await store.entries())[-1].milliseconds == 170_000


async def test_a_gateway_that_stops_charges_what_is_outstanding(store: AccountStore) -> None:
    key = await store.key(credits=20)
    async with faulty_gateway(store) as gateway:
        async with gateway.accounts.admit_session(await identify(gateway.accounts, key)) as session:
            await session.meter(50)
            gateway.store.outage = Fault("starting up")
            ending = asyncio.create_task(gateway.wait(LEASE + 5))
        await ending
        gateway.store.heal()

    assert await store.balance() == 19


async def test_a_gateway_that_stood_still_beyond_its_lease_charges_though_its_connections_are_dead(
    store: AccountStore,
) -> None:
    """Waking up, it finds its lease over and the first answer of the store to be that its connection is gone."""
    key = await store.key(credits=10)
    async with (
        faulty_gateway(store) as gateway,
        gateway.accounts.admit(await identify(gateway.accounts, key)) as admission,
    ):
        gateway.time.world.now += LEASE + 6
        gateway.store.once.append(Fault("connection lost"))
        await gateway.finish(admission.settle(60.0))

    assert await store.balance() == 9


async def test_text_that_was_sent_is_charged_when_its_reader_is_gone_and_the_store_is_back(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:

        async def read() -> None:
            async with gateway.accounts.admit(await identify(gateway.accounts, key)) as admission:
                await admission.hold(170.0)
                gateway.store.outage = Fault("shutting down", hangs=True)
                await admission.settle_delivered(170.0)

        reading = asyncio.create_task(read())
        await gateway.wait(5)
        reading.cancel()
        gateway.store.heal()
        await gateway.wait(2 * TURN)
        assert reading.cancelled()
        assert await store.balance() == 7
        assert await store.leases() == []


@pytest.mark.parametrize("error", sorted(ERRORS))
async def test_leases_are_renewed_after_every_kind_of_failure(store: AccountStore, error: str) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway, store.gateway() as other:
        caller = await identify(gateway.accounts, key)
        async with gateway.accounts.admit(caller) as admission:
            gateway.store.outage = Fault(error)
            await gateway.wait(TURN + 1)
            gateway.store.heal()
            await gateway.wait(TURN + 1)
            store.clock.now = gateway.time.clock()
            async with other.admit(await identify(other, key)):
                held = [lease.id for lease in await store.leases()]

    assert admission.id in held
    assert gateway.accounts.status.renewal_age <= TURN + 1


async def test_a_fault_of_the_program_does_not_stop_the_renewal_either(
    store: AccountStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway, gateway.accounts.admit(await identify(gateway.accounts, key)):
        gateway.store.once.append(Fault("no such column"))
        await gateway.wait(2 * TURN + 1)
        [lease] = await store.leases()

    assert lease.expires_at / 1000 >= NOON + 2 * TURN + LEASE - 1
    assert "could not renew leases" in caplog.text
    assert "it is started again" not in caplog.text  # which is for what nobody thought of


async def test_a_task_that_ended_is_started_again_and_told_of(
    store: AccountStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway, gateway.accounts.admit(await identify(gateway.accounts, key)):
        [renewing] = [task for task in asyncio.all_tasks() if task.get_name() == "renew leases"]
        with caplog.at_level(logging.CRITICAL):
            renewing.cancel()
            await gateway.wait(TURN + 1)
        [lease] = await store.leases()

    assert lease.expires_at / 1000 >= NOON + TURN + LEASE - 1
    assert "renew leases" in caplog.text


async def test_a_gateway_starts_where_the_store_goes_away_meanwhile(store: AccountStore) -> None:
    placed: list[FaultyStore] = []

    def through(real: Store) -> Store:
        placed.append(FaultyStore(real, outage=Fault("no answer")))
        return placed[0]

    key = await store.key(credits=10)
    async with Accounts(Database(store.url, through=through), AccountPolicy(tiers()), TimeSource(store.clock)) as one:
        placed[0].heal()
        async with one.admit(await identify(one, key)) as admission:
            assert [lease.id for lease in await store.leases()] == [admission.id]


async def test_an_outage_is_two_lines_of_the_log_however_long_it_lasts(
    store: AccountStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway, gateway.accounts.admit(await identify(gateway.accounts, key)):
        with caplog.at_level(logging.INFO):
            gateway.store.outage = Fault("starting up")
            for _ in range(5):
                await gateway.wait(TURN + 1)
            gateway.store.heal()
            await gateway.wait(TURN + 1)

    lines = [record.message for record in caplog.records if "the store is" in record.message]
    assert ["unavailable" in lines[0], "back after" in lines[-1], len(lines)] == [True, True, 2], lines


async def test_renewals_that_fail_show_in_the_status(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway, gateway.accounts.admit(await identify(gateway.accounts, key)):
        gateway.store.outage = Fault("read-only")
        await gateway.wait(2 * TURN + 5)
        status = gateway.accounts.status
        gateway.store.heal()

    assert status.renewal_age >= 2 * TURN
    assert status.running == 1
    assert status.failures["read-only"] >= 2


@pytest.mark.parametrize("error", sorted(ERRORS))
async def test_whatever_keeps_the_store_away_is_503_with_when_to_come_back(store: AccountStore, error: str) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:
        caller = await identify(gateway.accounts, key)
        gateway.store.outage = Fault(error)
        with pytest.raises(Unavailable) as refused:
            await identify(gateway.accounts, key)
        with pytest.raises(Unavailable):
            async with gateway.accounts.admit(caller):
                pass

    assert int(refused.value.headers["Retry-After"]) > 0


@pytest.mark.parametrize("live", [False, True])
async def test_work_of_a_revoked_key_ends_within_a_minute(store: AccountStore, live: bool) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:
        caller = await identify(gateway.accounts, key)
        admit = gateway.accounts.admit_session if live else gateway.accounts.admit

        async def work() -> None:
            async with admit(caller):
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        other = asyncio.create_task(_work_of_nobody(gateway))
        await gateway.wait(30)
        async with store.registry() as registry:
            await registry.revoke(key)
        store.clock.now = gateway.time.clock()
        await gateway.wait(MINUTE - 1)
        with pytest.raises(Unauthorized, match="revoked"):
            await asyncio.wait_for(working, 0)
        assert not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)

    assert await store.balance() == 10
    assert await store.leases() == []


async def test_transactions_in_conflict_are_made_again(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with faulty_gateway(store) as gateway:
        caller = await identify(gateway.accounts, key)
        gateway.store.once.extend([Fault("deadlock"), Fault("serialization failure")])
        async with gateway.accounts.admit(caller) as admission:
            await admission.settle(60.0)

    assert await store.balance() == 9


async def _work_of_nobody(gateway: FaultyGateway) -> None:
    async with gateway.accounts.admit(await identify(gateway.accounts, peer="198.51.100.1")):
        await asyncio.Event().wait()


async def _speak(session: LiveSession, first: int, last: int) -> None:
    for second in range(first, last + 1):
        await session.meter(second)

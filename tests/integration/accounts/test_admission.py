import asyncio
import math
from pathlib import Path

import pytest

from gateway.errors import PaymentRequired, ServiceError, TooManyRequests
from tests.integration.accounts.account_stores import AccountStore, identify


async def test_a_recording_costs_its_minutes_rounded_up(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts, accounts.admit(await identify(accounts, key)) as admission:
        await admission.hold(61.0)
        await admission.settle(61.0)

    assert admission.limit.headers() == {"X-Credits-Remaining": "8"}
    assert await store.balance() == 8
    assert await store.leases() == []


async def test_what_a_caller_can_pay_for_counts_what_others_hold(store: AccountStore) -> None:
    paid, free = await store.key(credits=10), await store.key("free")
    async with store.gateway() as accounts:
        async with accounts.admit(await identify(accounts, paid)) as one:
            assert one.affordable == 600
            await one.hold(240.0)
            assert one.affordable == 600
            async with accounts.admit(await identify(accounts, paid)) as other:
                assert other.affordable == 360
        async with accounts.admit(await identify(accounts, free)) as admission:
            assert admission.affordable == 600 * 60
        async with accounts.admit(await identify(accounts)) as admission:
            assert admission.affordable == math.inf


async def test_a_caller_that_asks_without_end_is_told_to_wait(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        with pytest.raises(TooManyRequests, match="5 requests a second"):
            for _ in range(1000):
                await identify(accounts)
        await identify(accounts, peer="198.51.100.1")
        await identify(accounts, await store.key())


async def test_a_key_that_asks_without_end_is_told_to_wait(store: AccountStore) -> None:
    key = await store.key()
    async with store.gateway(requests_a_second=1.0) as accounts:
        with pytest.raises(TooManyRequests, match="1 requests a second"):
            for _ in range(1000):
                await identify(accounts, key)
        await identify(accounts, await store.key())


async def test_an_address_has_another_name_every_day_and_the_old_ones_cannot_be_read_back(tmp_path: Path) -> None:
    store = AccountStore(f"sqlite:///{tmp_path / 'accounts.db'}")
    await store.migrate()
    names, salts = [], []
    for _ in range(4):
        async with store.gateway() as one, store.gateway() as other:
            names.append((await identify(one)).subject)
            assert (await identify(other)).subject == names[-1]
        salts.append(await store.salts())
        store.clock.now += 86_400

    assert len(set(names)) == 4
    assert [len(kept) for kept in salts] == [1, 2, 2, 2]
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert salts[3][-1].encode() in written
    assert not any(salt.encode() in written for salt in {*salts[0], *salts[1]} - {*salts[3]})


async def test_a_failure_gives_everything_back(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        with pytest.raises(RuntimeError):
            async with accounts.admit(await identify(accounts, key)) as admission:
                await admission.hold(300.0)
                raise RuntimeError("the engine failed")

    assert await store.balance() == 10
    assert [entry.kind for entry in await store.entries()] == ["grant"]


async def test_a_request_that_is_cancelled_at_any_point_gives_everything_back(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts:
        caller = await identify(accounts, key)

        async def request() -> None:
            async with accounts.admit(caller) as admission:
                await admission.hold(120.0)
                await asyncio.sleep(60)

        for steps in range(0, 60, 3):
            task = asyncio.create_task(request())
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert await store.balance() == 10
    assert await store.leases() == []


async def test_the_true_duration_is_charged_where_the_header_lied(store: AccountStore) -> None:
    key = await store.key(credits=10)
    async with store.gateway() as accounts, accounts.admit(await identify(accounts, key)) as admission:
        await admission.hold(540.0)
        await admission.settle(100.0)

    assert await store.balance() == 8


async def test_a_recording_longer_than_the_credits_is_refused_before_the_work(store: AccountStore) -> None:
    key = await store.key(credits=3)
    async with store.gateway() as accounts:
        with pytest.raises(PaymentRequired, match="4 credits"):
            async with accounts.admit(await identify(accounts, key)) as admission:
                await admission.hold(200.0)

    assert await store.balance() == 3


async def test_a_settle_beyond_the_credits_is_refused_and_costs_nothing(store: AccountStore) -> None:
    key = await store.key(credits=3)
    async with store.gateway() as accounts:
        with pytest.raises(PaymentRequired):
            async with accounts.admit(await identify(accounts, key)) as admission:
                await admission.settle(200.0)

    assert await store.balance() == 3


async def test_anonymous_callers_have_three_a_day_for_each_address(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        for _ in range(3):
            async with accounts.admit(await identify(accounts, peer="2001:db8:1:2::1")) as admission:
                await admission.settle(30.0)
        with pytest.raises(TooManyRequests) as refused:
            async with accounts.admit(await identify(accounts, peer="2001:db8:1:2::ffff")):
                pass
        async with accounts.admit(await identify(accounts, peer="2001:db8:1:3::1")) as elsewhere:
            remaining = elsewhere.limit.headers()["RateLimit-Remaining"]

    assert refused.value.headers["Retry-After"] == str(12 * 3600)
    assert remaining == "2"
    assert not any("2001" in entry.subject for entry in await store.entries())


async def test_a_day_begins_anew_at_midnight(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        store.clock.set("2026-12-31T23:59:59")
        for _ in range(3):
            async with accounts.admit(await identify(accounts)) as admission:
                await admission.settle(30.0)
        with pytest.raises(TooManyRequests) as refused:
            async with accounts.admit(await identify(accounts)):
                pass
        store.clock.set("2027-01-01T00:00:00")
        async with accounts.admit(await identify(accounts)) as admission:
            await admission.settle(30.0)

    assert refused.value.headers["Retry-After"] == "1"
    assert admission.limit.headers() == {
        "RateLimit-Limit": "3",
        "RateLimit-Remaining": "2",
        "RateLimit-Reset": "86400",
    }


async def test_work_is_paid_from_the_month_in_which_it_began(store: AccountStore) -> None:
    key = await store.key("free")
    async with store.gateway() as accounts:
        store.clock.set("2026-11-30T23:59:59")
        async with accounts.admit(await identify(accounts, key)) as admission:
            await admission.hold(600.0)
            store.clock.set("2026-12-01T00:00:01")
            await admission.settle(600.0)
        usage = await accounts.usage(await identify(accounts, key))

    assert await store.balance("seconds/2026-11") == -600
    assert usage.as_json()["transcription"]["remaining"] == 600


async def test_the_free_minutes_of_a_month_end_with_429(store: AccountStore) -> None:
    key = await store.key("free")
    async with store.gateway() as accounts:
        async with accounts.admit(await identify(accounts, key)) as admission:
            await admission.settle(590 * 60)
        with pytest.raises(TooManyRequests, match=r"11\.0 minutes; 10\.0 of 600 remain") as refused:
            async with accounts.admit(await identify(accounts, key)) as admission:
                await admission.hold(11 * 60)
        async with accounts.admit(await identify(accounts, key)) as admission:
            await admission.settle(10 * 60)

    assert int(refused.value.headers["Retry-After"]) == (8 * 24 + 12) * 3600
    assert admission.limit.headers()["RateLimit-Remaining"] == "0"


async def test_slots_are_counted_over_all_gateways(store: AccountStore) -> None:
    key = await store.key("free")
    async with store.gateway() as one, store.gateway() as other:
        async with one.admit(await identify(one, key)), other.admit(await identify(other, key)):
            with pytest.raises(TooManyRequests, match="At most 2 at once"):
                async with one.admit(await identify(one, key)):
                    pass
        async with one.admit(await identify(one, key)):
            pass


async def test_a_summary_is_counted_for_each_caller_by_itself(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        for _ in range(20):
            async with accounts.admit_summary(await identify(accounts)) as summary:
                await summary.settle(0)
        with pytest.raises(TooManyRequests, match="20 summaries"):
            async with accounts.admit_summary(await identify(accounts)):
                pass
        async with accounts.admit(await identify(accounts)):  # transcriptions are counted apart
            pass
        async with accounts.admit_summary(await identify(accounts, peer="198.51.100.1")):
            pass


async def test_a_summary_that_fails_is_not_counted(store: AccountStore) -> None:
    async with store.gateway() as accounts:
        with pytest.raises(RuntimeError):
            async with accounts.admit_summary(await identify(accounts)):
                raise RuntimeError("the model failed")

    assert await store.balance("summaries/2026-11-22") == 0


async def test_a_lease_that_lapsed_neither_pays_twice_nor_overspends(store: AccountStore) -> None:
    key = await store.key(credits=2)
    async with store.gateway() as stuck, store.gateway() as other:
        with pytest.raises(PaymentRequired):
            async with stuck.admit(await identify(stuck, key)) as late:
                await late.hold(120.0)
                store.clock.now += 61  # its gateway stood still for longer than the lease
                async with other.admit(await identify(other, key)) as admission:
                    await admission.settle(60.0)
                await late.settle(120.0)

    assert await store.balance() == 1
    assert await store.leases() == []


async def test_a_renewed_lease_keeps_its_slot(store: AccountStore) -> None:
    key = await store.key("free")
    async with store.gateway(lease_seconds=0.3, at_once=1) as accounts:
        caller = await identify(accounts, key)
        async with accounts.admit(caller):
            store.clock.now += 0.25
            await asyncio.sleep(0.3)  # the keeper renews meanwhile, a third of a lease at a time
            store.clock.now += 0.25
            with pytest.raises(TooManyRequests):
                async with accounts.admit(caller):
                    pass


async def test_errors_of_the_door_are_those_of_the_contract(store: AccountStore) -> None:
    key = await store.key(credits=0)
    async with store.gateway() as accounts:
        with pytest.raises(ServiceError) as refused:
            async with accounts.admit(await identify(accounts, key)):
                pass

    assert (refused.value.status, refused.value.message) == (402, "No credits remaining. Upgrade your plan.")
    assert refused.value.headers == {"X-Credits-Remaining": "0"}

import asyncio
import random
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.accounts import Accounts, Caller, ledger
from gateway.accounts.database import Database
from gateway.accounts.ledger import LedgerEntry, Position
from gateway.errors import ServiceError
from tests.integration.accounts.account_stores import AccountStore, identify

MANY = 300


@pytest.mark.parametrize("statement", ["UPDATE ledger SET amount = 1000", "DELETE FROM ledger"])
async def test_entries_cannot_be_changed_or_removed(store: AccountStore, statement: str) -> None:
    await store.key(credits=10)
    database = Database(store.url)

    with pytest.raises((DBAPIError, ServiceError)):
        await database.write("anybody", lambda c: c.execute(text(statement)))
    await database.close()

    assert await store.balance() == 10


async def test_an_entry_cannot_be_replaced(tmp_path: Path) -> None:
    """SQLite's REPLACE removes what is in its way without asking a trigger on DELETE."""
    store = AccountStore(f"sqlite:///{tmp_path / 'accounts.db'}")
    await store.migrate()
    await store.key(credits=10)
    statement = text("INSERT OR REPLACE INTO ledger SELECT * FROM (SELECT * FROM ledger)")
    database = Database(store.url)
    with pytest.raises(DBAPIError, match="only added"):
        await database.write("somebody", lambda c: c.execute(statement))
    await database.close()

    assert await store.balance() == 10


async def test_nothing_is_written_twice_after_the_same_entry(store: AccountStore) -> None:
    await store.key(credits=10)
    subject = (await store.entries())[0].subject
    spend = LedgerEntry(subject, "credits", "settle", -10)
    database = Database(store.url)

    await database.write(subject, lambda c: ledger.add(c, Position(1, 10), spend, 0))
    with pytest.raises(IntegrityError):
        await database.write(subject, lambda c: ledger.add(c, Position(1, 10), spend, 0))
    await database.close()

    assert await store.balance() == 0


async def test_of_many_requests_at_once_exactly_as_many_pass_as_are_paid_for(store: AccountStore) -> None:
    key = await store.key(credits=100)
    async with store.gateway(at_once=MANY) as one, store.gateway(at_once=MANY) as other:
        results = await asyncio.gather(*(_minute(accounts, key) for accounts in [one, other] * (MANY // 2)))

    assert Counter(results) == {200: 100, 402: 200}
    assert await store.balance() == 0
    assert await store.leases() == []


async def test_of_many_anonymous_requests_at_once_three_pass(store: AccountStore) -> None:
    async with store.gateway(at_once=MANY) as one, store.gateway(at_once=MANY) as other:
        results = await asyncio.gather(*(_minute(accounts, None) for accounts in [one, other] * (MANY // 2)))

    assert Counter(results) == {200: 3, 429: MANY - 3}


async def test_of_many_requests_at_once_five_have_a_slot(store: AccountStore) -> None:
    key = await store.key(credits=1000)
    full, seen = asyncio.Event(), Counter[int]()
    async with store.gateway() as one, store.gateway() as other:

        async def request(accounts: Accounts, caller: Caller) -> None:
            try:
                async with accounts.admit(caller):
                    seen[200] += 1
                    await full.wait()
            except ServiceError as error:
                seen[error.status] += 1
            if sum(seen.values()) == MANY:
                full.set()

        callers = [(accounts, await identify(accounts, key)) for accounts in [one, other] * (MANY // 2)]
        await asyncio.gather(*(request(*caller) for caller in callers))

    assert seen == {200: 5, 429: MANY - 5}


WORK = st.lists(
    st.tuples(
        st.integers(0, 300),  # seconds that the file claims
        st.integers(1, 300),  # seconds that it has
        st.sampled_from(["settle", "settle", "fail", "cancel"]),
    ),
    min_size=20,
    max_size=120,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=WORK, credits=st.integers(1, 120), seed=st.integers(0, 2**16))
async def test_whatever_happens_nobody_overspends_and_nothing_is_lost(
    store: AccountStore, work: list[tuple[int, int, str]], credits: int, seed: int
) -> None:
    key = await store.key(credits=credits)
    order = random.Random(seed)
    charged: list[int] = []
    async with store.gateway(at_once=MANY) as one, store.gateway(at_once=MANY) as other:

        async def request(claimed: int, true: int, end: str) -> None:
            accounts = order.choice((one, other))
            try:
                async with accounts.admit(await identify(accounts, key)) as admission:
                    await admission.hold(claimed)
                    await admission.hold(true)
                    if end == "fail":
                        raise RuntimeError
                    await admission.settle(true)
                    charged.append(-(-true // 60))
            except (ServiceError, RuntimeError):
                pass

        tasks = [(asyncio.create_task(request(*item)), item[2]) for item in work]
        for task, end in tasks:
            if end == "cancel":
                await asyncio.sleep(0)
                task.cancel()
        await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
        subject = (await identify(one, key)).subject

    entries = [entry for entry in await store.entries() if entry.subject == subject]
    assert all(entry.balance >= 0 for entry in entries)
    assert entries[-1].balance == sum(entry.amount for entry in entries)
    settled = [entry.admission for entry in entries if entry.kind == "settle"]
    spent = credits - entries[-1].balance
    # A cancel may come when the charge is already made; never is less charged than was answered.
    assert spent == sum(_spent_on(entries, admission) for admission in settled) >= sum(charged)
    assert await store.leases() == []


async def test_every_running_sum_is_the_sum(store: AccountStore) -> None:
    async with store.gateway(at_once=MANY) as accounts:
        for key in [await store.key(credits=5), await store.key("free"), None]:
            await asyncio.gather(*(_minute(accounts, key) for _ in range(8)))

    for _, group in groupby(await store.entries(), key=lambda entry: (entry.subject, entry.bucket)):
        total = 0
        for number, entry in enumerate(group, start=1):
            total += entry.amount
            assert (entry.sequence, entry.balance) == (number, total)


async def _minute(accounts: Accounts, key: str | None) -> int:
    try:
        async with accounts.admit(await identify(accounts, key)) as admission:
            await admission.hold(60.0)
            await admission.settle(60.0)
    except ServiceError as error:
        return error.status
    return 200


def _spent_on(entries: list[object], admission: str) -> int:
    return -sum(entry.amount for entry in entries if entry.admission == admission)  # type: ignore[attr-defined]

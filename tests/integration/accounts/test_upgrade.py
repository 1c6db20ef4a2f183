"""A store of the first version, with money in it and work that runs, becomes one of the newest."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.accounts.database import Database
from gateway.accounts.keys import NewKey, new_key
from gateway.accounts.schema import metadata
from gateway.errors import BadParameter
from tests.integration.accounts.account_stores import NOON, AccountStore, identify

PAID, FREE, ADDRESS = "paidaccount", "freeaccount", "ip:anonymous"
LAPSES_AT = round((NOON + 60) * 1000)  # when the leases of the gateway of the version before end
_ENTRY = text(
    "INSERT INTO ledger (subject, bucket, sequence, kind, amount, balance, admission, milliseconds, created_at) "
    "VALUES (:subject, :bucket, :sequence, :kind, :amount, :balance, :admission, :milliseconds, :created_at)"
)
_LEASE = text(
    "INSERT INTO admissions (id, subject, kind, bucket, held, used, answer_key, holder, expires_at) "
    "VALUES (:id, :subject, 'transcription', :bucket, :held, :used, :answer_key, 'another machine|1|1|1', :expires_at)"
)
_ANSWER = text(
    "INSERT INTO answers (subject, answer_key, admission, fingerprint, status, headers, body, created_at) "
    "VALUES (:subject, :answer_key, :admission, :fingerprint, :status, :headers, :body, :created_at)"
)


@pytest.fixture
async def keys(empty_store: AccountStore) -> AsyncIterator[tuple[NewKey, NewKey]]:
    """Of a paid and a free account, in a store as the first version left it."""
    paid, free = new_key(), new_key()

    async def write(work: Any) -> None:
        database = Database(empty_store.url)
        await database.write("old", work)
        await database.close()

    await write(_first_version)
    await write(lambda connection: _fill(connection, paid, free))
    yield paid, free


@pytest.fixture
async def upgraded(empty_store: AccountStore, keys: tuple[NewKey, NewKey]) -> AccountStore:
    await empty_store.migrate()
    return empty_store


async def test_the_tables_are_those_of_a_new_store(upgraded: AccountStore) -> None:
    database = Database(upgraded.url)
    differences = await database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    await database.close()

    assert differences == []


async def test_credits_and_what_running_work_holds_are_kept(
    upgraded: AccountStore, keys: tuple[NewKey, NewKey]
) -> None:
    async with upgraded.gateway() as accounts:
        paid = await accounts.usage(await identify(accounts, keys[0].text))
        free = await accounts.usage(await identify(accounts, keys[1].text))

    assert (paid.transcription.left, paid.transcription.held, paid.transcription.running) == (100 - 3 - 5 - 4, 9, 2)
    assert (paid.transcription.requests, paid.transcription.milliseconds) == (1, 130_000)
    assert (free.transcription.left, free.transcription.held) == (600 * 60 - 90, 0)
    assert (free.transcription.requests, free.transcription.milliseconds) == (2, 90_000)


async def test_every_balance_is_the_sum_of_its_entries(upgraded: AccountStore) -> None:
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in await upgraded.entries():
        number, balance = ends.get((entry.subject, entry.bucket), (0, 0))
        assert (entry.sequence, entry.balance) == (number + 1, balance + entry.amount)
        ends[entry.subject, entry.bucket] = (entry.sequence, entry.balance)

    assert ends[PAID, "credits"][1] == 97


async def test_work_of_a_stopped_gateway_ends_with_its_lease(
    upgraded: AccountStore, keys: tuple[NewKey, NewKey]
) -> None:
    """The file costs nothing, the live session the two minutes that it is known to have had."""
    upgraded.clock.now = NOON + 61
    async with upgraded.gateway() as accounts:
        usage = await accounts.usage(await identify(accounts, keys[0].text))

    assert (usage.transcription.left, usage.transcription.held) == (95, 0)
    assert await upgraded.leases() == []


async def test_a_stored_response_is_given_again(upgraded: AccountStore, keys: tuple[NewKey, NewKey]) -> None:
    async with upgraded.gateway() as accounts:
        caller = await identify(accounts, keys[0].text)
        async with accounts.admit(caller, "done") as admission:
            stored = admission.recall("f" * 64)
            with pytest.raises(BadParameter):
                admission.recall("0" * 64)

    assert stored is not None
    assert (stored.body, stored.headers) == (b"hello", {"x-model": "base"})


async def test_a_request_that_ran_may_be_made_again_when_its_lease_has_ended(
    upgraded: AccountStore, keys: tuple[NewKey, NewKey]
) -> None:
    upgraded.clock.now = NOON + 61
    async with upgraded.gateway() as accounts:
        caller = await identify(accounts, keys[0].text)
        async with accounts.admit(caller, "running") as admission:
            await admission.settle(60.0)
        assert (await accounts.usage(caller)).transcription.left == 94


@pytest.mark.parametrize("statement", ["UPDATE ledger SET amount = 0", "DELETE FROM ledger"])
async def test_entries_still_cannot_be_changed(upgraded: AccountStore, statement: str) -> None:
    database = Database(upgraded.url)
    with pytest.raises(DBAPIError, match="only added"):
        await database.write(PAID, lambda c: c.execute(text(statement)))
    await database.close()


async def test_a_gateway_of_the_version_before_can_do_nothing_more(upgraded: AccountStore) -> None:
    """It would count as spent what its successors count as held."""
    database = Database(upgraded.url)
    with pytest.raises(DBAPIError):
        await database.write(PAID, lambda c: c.execute(_LEASE, _lease("late", PAID, 1)))
    await database.close()


def _first_version(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "gateway.accounts:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


def _fill(connection: Connection, paid: NewKey, free: NewKey) -> None:
    """100 credits bought and 3 spent; a file that holds 5 and a live session that holds 4 and has had 2."""
    for account, tier, key in ((PAID, "paid", paid), (FREE, "free", free)):
        connection.execute(
            text("INSERT INTO accounts (id, name, tier, created_at) VALUES (:id, :id, :tier, 0)"),
            {"id": account, "tier": tier},
        )
        connection.execute(
            text("INSERT INTO keys (prefix, digest, account, created_at) VALUES (:prefix, :digest, :account, 0)"),
            {"prefix": key.prefix, "digest": key.digest, "account": account},
        )
    _chain(
        connection,
        (PAID, "credits"),
        [
            ("grant", 100, None),
            ("hold", -1, "settled"),
            ("hold", -2, "settled"),
            ("settle", 0, "settled"),
            ("hold", -1, "failed"),
            ("release", 1, "failed"),
            ("hold", -1, "file"),
            ("hold", -1, "live"),
            ("hold", -4, "file"),
            ("hold", -3, "live"),
        ],
        130_000,
    )
    free_minutes = [("hold", -60, "one"), ("settle", 0, "one"), ("hold", -1, "two"), ("settle", -29, "two")]
    _chain(connection, (FREE, "seconds/2026-11"), free_minutes, 45_000)
    _chain(connection, (ADDRESS, "transcriptions/2026-11-22"), [("hold", -1, "anonymous")], 0)
    connection.execute(_LEASE, _lease("file", PAID, 5, answer_key="running"))
    connection.execute(_LEASE, _lease("live", PAID, 4, used=2))
    connection.execute(_LEASE, _lease("anonymous", ADDRESS, 1, bucket="transcriptions/2026-11-22"))
    empty = {"fingerprint": None, "status": None, "headers": None, "body": None}
    done = {"fingerprint": "f" * 64, "status": 200, "headers": '{"x-model": "base"}', "body": zlib.compress(b"hello")}
    for name, admission, response in (("done", "settled", done), ("running", "file", empty)):
        row = {"subject": PAID, "answer_key": name, "admission": admission, "created_at": round(NOON * 1000)}
        connection.execute(_ANSWER, row | response)


def _chain(
    connection: Connection, bucket: tuple[str, str], entries: Sequence[tuple[str, int, str | None]], milliseconds: int
) -> None:
    balance = 0
    for number, (kind, amount, admission) in enumerate(entries, 1):
        balance += amount
        row = {"subject": bucket[0], "bucket": bucket[1], "sequence": number, "kind": kind, "amount": amount}
        row |= {"balance": balance, "admission": admission, "created_at": 0}
        connection.execute(_ENTRY, row | {"milliseconds": milliseconds if kind == "settle" else None})


def _lease(name: str, subject: str, held: int, **others: Any) -> dict[str, Any]:
    row = {"id": name, "subject": subject, "held": held, "used": 0, "bucket": "credits", "answer_key": None}
    return row | {"expires_at": LAPSES_AT} | others

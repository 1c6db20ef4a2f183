"""`python -m gateway.accounts.measure --url …`: how long a limit check takes on a store, as JSON.

A check is what a request pays before any work: its key is looked up, its limits are judged, a slot is
taken and a credit held. Giving them back afterwards is timed with the rate, not with the check.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop
from sqlalchemy import Connection, insert, select

from gateway.accounts.accounts import AccountPolicy, Accounts
from gateway.accounts.callers import Credentials
from gateway.accounts.database import Database
from gateway.accounts.keys import NewKey, new_key
from gateway.accounts.schema import accounts as account_table
from gateway.accounts.schema import keys as key_table
from gateway.accounts.schema import ledger as ledger_table
from gateway.accounts.tiers import load_tiers

WARM_UP = 200  # checks that are not counted: connections open, statements are compiled
CREDITS = 1_000_000
PEER = "203.0.113.7"


class StoreNotEmpty(Exception):
    """The store has rows: what is measured would stay among them, for a ledger forgets nothing."""


@dataclass(frozen=True, slots=True)
class StoreLoad:
    keys: int  # in the store
    checks: int  # one after the other, for the latency
    callers: int  # at the same time, for the rate
    seconds: float  # of the rate's measurement


async def measure(url: str, load: StoreLoad) -> dict[str, float]:
    """raises: StoreNotEmpty, before anything is written"""
    async with Accounts(Database(url), AccountPolicy(load_tiers())) as accounts:
        keys = [key.text for key in await fill(url, load.keys)]
        await _check_in_turn(accounts, keys, WARM_UP)
        milliseconds = [1000 * seconds for seconds in await _check_in_turn(accounts, keys, load.checks)]
        rate = await _check_together(accounts, keys, load)
    cuts = statistics.quantiles(milliseconds, n=100)
    return {
        "keys": load.keys,
        "p50_ms": round(cuts[49], 3),
        "p95_ms": round(cuts[94], 3),
        "p99_ms": round(cuts[98], 3),
        "checks_per_second": round(rate, 1),
    }


async def fill(url: str, count: int) -> list[NewKey]:
    """So many paid accounts, each with one key and credits, written at once.

    raises: StoreNotEmpty
    """
    made = [new_key() for _ in range(count)]
    people = [{"id": key.prefix, "name": "load", "tier": "paid", "created_at": 0} for key in made]
    rows = [{"prefix": key.prefix, "digest": key.digest, "account": key.prefix, "created_at": 0} for key in made]
    grants = [
        {"subject": key.prefix, "bucket": "credits", "sequence": 1, "kind": "grant", "amount": CREDITS}
        | {"balance": CREDITS, "created_at": 0}
        for key in made
    ]
    database = Database(url)

    def work(connection: Connection) -> None:
        for table in (account_table, key_table, ledger_table):
            if connection.execute(select(table).limit(1)).first() is not None:
                raise StoreNotEmpty(f"the store has {table.name}; only an empty one is measured: name a new database")
        connection.execute(insert(account_table), people)
        connection.execute(insert(key_table), rows)
        connection.execute(insert(ledger_table), grants)

    try:
        await database.write("fill", work)
    finally:
        await database.close()
    return made


async def _check(accounts: Accounts, key: str) -> float:
    """returns: seconds until the request was let in"""
    began = time.perf_counter()
    caller = await accounts.identify(Credentials(PEER, [f"Bearer {key}"]))
    async with accounts.admit(caller):
        return time.perf_counter() - began


async def _check_in_turn(accounts: Accounts, keys: Sequence[str], count: int) -> list[float]:
    return [await _check(accounts, random.choice(keys)) for _ in range(count)]


async def _check_together(accounts: Accounts, keys: Sequence[str], load: StoreLoad) -> float:
    """returns: checks a second, each given back, by callers that never rest"""
    end = time.perf_counter() + load.seconds

    async def call(own: Sequence[str]) -> int:
        done = 0
        while time.perf_counter() < end:
            await _check(accounts, random.choice(own))
            done += 1
        return done

    began = time.perf_counter()
    callers = min(load.callers, len(keys))
    done = await asyncio.gather(*(call(keys[number::callers]) for number in range(callers)))
    return sum(done) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the limit checks of an empty account store.")
    parser.add_argument("--url", required=True, help="sqlite:///file or postgresql://…; it is filled with keys")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--checks", type=int, default=3_000)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    load = StoreLoad(given.keys, given.checks, given.callers, given.seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            print(json.dumps(runner.run(measure(given.url, load))))
        except StoreNotEmpty as problem:
            sys.exit(f"measure: {problem}")


if __name__ == "__main__":
    main()

"""Run by test_crash.py: brings one request into a state, says so, and waits to be killed there.

usage: dying_gateway.py URL KEY STATE NOW
"""

import asyncio
import sys
import time
from typing import NoReturn

from gateway.accounts import AccountPolicy, Accounts, Credentials, IdempotentResult, StoredResponse, ledger
from gateway.accounts.database import Database
from gateway.accounts.tiers import load_tiers

IN_TRANSACTION = {"taking a slot": "hold", "raising the hold": "hold", "settling": "settle", "giving back": "release"}
AFTER = {"taking a slot": 0, "raising the hold": 1}  # entries of the kind that are let through


def stop(state: str) -> NoReturn:
    print(state, flush=True)
    while True:
        time.sleep(60)


def stop_inside(state: str) -> None:
    """Stands still after the entry is written and before its transaction is committed."""
    add, seen = ledger.add, []

    def adding(connection, after, entry, now):  # type: ignore[no-untyped-def]
        position = add(connection, after, entry, now)
        if entry.kind == IN_TRANSACTION[state]:
            seen.append(entry)
            if len(seen) > AFTER.get(state, 0):
                stop(state)
        return position

    ledger.add = adding


async def main(url: str, key: str, state: str, now: float) -> None:
    if state in IN_TRANSACTION:
        stop_inside(state)
    async with Accounts(Database(url), AccountPolicy(load_tiers()), lambda: now) as accounts:
        caller = await accounts.identify(Credentials("203.0.113.7", [f"Bearer {key}"]))
        if state == "live":
            async with accounts.admit_session(caller) as session:
                for second in range(10, 140, 10):
                    await session.meter(second)
                stop(state)
        async with accounts.admit(caller, idempotency_key="once") as admission:
            if state == "admitted":
                stop(state)
            await admission.hold(170.0)
            if state == "held":
                stop(state)
            if state == "giving back":
                raise RuntimeError
            response = StoredResponse(200, b"hello", {"content-type": "text/plain"})
            await admission.settle(170.0, IdempotentResult("the file", response))
            stop(state)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))

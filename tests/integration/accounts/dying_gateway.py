"""Run by test_crash.py: brings one request into a state, says so, and waits to be killed there.

usage: dying_gateway.py URL KEY STATE NOW
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection

from gateway.accounts import AccountPolicy, Accounts, Credentials, IdempotentResult, StoredResponse, TimeSource
from gateway.accounts.database import Database, Store
from gateway.accounts.tiers import load_tiers

# Which of the request's transactions is done and never committed.
IN_TRANSACTION = {"taking a slot": 1, "raising the hold": 2, "settling": 3, "giving back": 3}
OF_THE_GATEWAY = ("address_salt", "idempotency")  # subjects of transactions that are no request's


def stop(state: str) -> NoReturn:
    print(state, flush=True)
    while True:
        time.sleep(60)


@dataclass
class StoppingStore:
    """Stands still after a transaction's work and before its commit."""

    store: Store
    state: str
    seen: int = 0

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        return await self.store.read(work)

    async def write(self, subject: str, work: Callable[[Connection], Any]) -> Any:
        self.seen += subject not in OF_THE_GATEWAY
        return await self.store.write(subject, self._stopping(work))

    async def migrate(self, work: Callable[[Connection], None]) -> None:
        await self.store.migrate(work)

    async def close(self) -> None:
        await self.store.close()

    def _stopping(self, work: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
        def stopping(connection: Connection) -> Any:
            result = work(connection)
            if self.seen == IN_TRANSACTION.get(self.state):
                stop(self.state)
            return result

        return stopping


async def main(url: str, key: str, state: str, now: float) -> None:
    database = Database(url, through=lambda store: StoppingStore(store, state))
    async with Accounts(database, AccountPolicy(load_tiers()), TimeSource(lambda: now)) as accounts:
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

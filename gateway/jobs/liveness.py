"""Which gateways are alive: each renews a row, and the work of one that does not is given back to the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, delete, insert, select, update

from gateway.accounts import lease_owner
from gateway.accounts.database import Database
from gateway.jobs.schema import gateways

_SUBJECT = "gateways"


class GatewayLeases:
    def __init__(self, database: Database, executor: str, seconds: float, now: Callable[[], int]) -> None:
        """executor: this gateway's name; seconds: for which a lease lasts; now: milliseconds since 1970"""
        self._database = database
        self._executor = executor
        self._seconds = seconds
        self._now = now

    async def renew(self) -> None:
        await self._database.write(_SUBJECT, self._renew)

    async def end(self) -> None:
        mine = delete(gateways).where(gateways.c.executor == self._executor)
        await self._database.write(_SUBJECT, lambda c: c.execute(mine) and None)

    async def dead(self, executors: Iterable[str]) -> list[str]:
        """Which of these do not live; rows of dead ones are removed."""

        def work(connection: Connection) -> list[str]:
            rows = connection.execute(select(gateways.c.executor, gateways.c.expires_at)).all()
            over = [name for name, end in rows if end <= self._now() or lease_owner.is_dead(name)]
            if over:
                connection.execute(delete(gateways).where(gateways.c.executor.in_(over)))
            alive = {name for name, _ in rows} - set(over)
            return [name for name in executors if name not in alive]

        return await self._database.write(_SUBJECT, work)

    def _renew(self, connection: Connection) -> None:
        end = self._now() + round(self._seconds * 1000)
        own = update(gateways).where(gateways.c.executor == self._executor).values(expires_at=end)
        if connection.execute(own).rowcount == 0:
            connection.execute(insert(gateways), {"executor": self._executor, "expires_at": end})

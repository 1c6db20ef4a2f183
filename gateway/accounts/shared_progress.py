"""Progress of the requests in hand at all gateways of a store, for clients whose balancer asks another one.

Each gateway writes what it has in hand once a second. Rows that are not written again count no more, so that what a
killed gateway had in hand is forgotten.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.accounts import lease_owner
from gateway.accounts.admission import TimeSource
from gateway.accounts.database import Database
from gateway.accounts.schema import progress
from gateway.api.catalogue import RequestStage
from gateway.concurrency import run_together
from gateway.errors import Unavailable
from gateway.progress import ProgressRegistry, ProgressTracker

TURN_SECONDS = 1.0
VALID_MILLISECONDS = 15_000  # after which what nobody wrote again is no longer in hand
FORGOTTEN_MILLISECONDS = 600_000  # after which it is deleted, by whoever writes

_OF_OWNER = delete(progress).where(progress.c.owner == bindparam("by_owner"))
_OLD = delete(progress).where(progress.c.updated_at < bindparam("before"))
_FIND = (
    select(progress.c.stage, progress.c.thousandths)
    .where(progress.c.request == bindparam("of_request"), progress.c.updated_at > bindparam("since"))
    .order_by(progress.c.began_at)
    .limit(1)
)

log = logging.getLogger(__name__)


class SharedProgress:
    """Of one gateway, which writes its own requests and reads everybody's."""

    def __init__(self, database: Database, registry: ProgressRegistry, time_source: TimeSource | None = None) -> None:
        self._database = database
        self._registry = registry
        self._time_source = time_source or TimeSource()
        self._owner = lease_owner.this_process()
        self._began: dict[str, int] = {}  # of requests that were written, milliseconds since 1970

    async def find(self, identity: str) -> ProgressTracker | None:
        """Of a request at any gateway, the first one under this id. raises: Unavailable"""
        wanted = {"of_request": identity, "since": self._now() - VALID_MILLISECONDS}
        row = await self._database.read(lambda c: c.execute(_FIND, wanted).first())
        return None if row is None else ProgressTracker(cast(RequestStage, row.stage), row.thousandths / 1000)

    async def publish(self) -> None:
        """What is in hand now, in place of what was written before. raises: Unavailable"""
        now, entries = self._now(), self._registry.entries
        if not entries and not self._began:
            return
        began = {identity: self._began.get(identity, now) for identity in entries}
        rows = [self._row(identity, tracker, began[identity], now) for identity, tracker in entries.items()]

        def write(connection: Connection) -> None:
            connection.execute(_OF_OWNER, {"by_owner": self._owner})
            connection.execute(_OLD, {"before": now - FORGOTTEN_MILLISECONDS})
            if rows:
                connection.execute(insert(progress), rows)

        await self._database.write("progress", write)
        self._began = began

    async def keep_publishing(self) -> None:
        while True:
            await self._time_source.pause(TURN_SECONDS)
            try:
                await self.publish()
            except Unavailable:  # accounts say so; who asks for progress hears 503
                continue
            except Exception:
                log.exception("could not share progress")

    async def withdraw(self) -> None:
        with contextlib.suppress(Unavailable):  # it is forgotten soon
            own = {"by_owner": self._owner}
            await self._database.write("progress", lambda c: c.execute(_OF_OWNER, own))

    def _row(self, identity: str, tracker: ProgressTracker, began: int, now: int) -> Mapping[str, object]:
        return {
            "request": identity,
            "owner": self._owner,
            "stage": tracker.stage,
            "thousandths": round(tracker.done * 1000),
            "began_at": began,
            "updated_at": now,
        }

    def _now(self) -> int:
        return round(self._time_source.clock() * 1000)


@asynccontextmanager
async def share_progress(database: Database, registry: ProgressRegistry) -> AsyncIterator[SharedProgress | None]:
    """None where the store is one machine's alone: its only gateway has everything in hand itself."""
    if not database.shared:
        yield None
        return
    shared = SharedProgress(database, registry)
    async with run_together(shared.keep_publishing()):
        yield shared
    await shared.withdraw()

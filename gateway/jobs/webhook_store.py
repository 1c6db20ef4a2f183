"""What the database knows of webhooks: which attempt is next, and the secret that signs a caller's messages."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from gateway.jobs.job import Job
from gateway.jobs.schema import jobs, webhook_secrets
from gateway.jobs.store import COLUMNS, JobStore

SECRET_BYTES = 32
PREFIX = "whsec_"  # of a secret, by the specification


class WebhookStore:
    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._database = store.database

    async def secret(self, subject: str, *, new: bool = False) -> str:
        """The caller's own, made where there is none, or where a new one is wanted."""
        own = webhook_secrets.c.subject == subject

        def work(connection: Connection) -> str:
            found = connection.execute(select(webhook_secrets.c.secret).where(own)).scalar()
            if found is not None and not new:
                return str(found)
            made = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
            connection.execute(delete(webhook_secrets).where(own))
            connection.execute(insert(webhook_secrets), {"subject": subject, "secret": made})
            return made

        return await self._database.write(subject, work)

    async def claim(self, identity: str, sending: int, attempt: int, seconds: float) -> Job | float | None:
        """The job, whose attempt is under way for so long; seconds until another one's is over; None: there is none."""
        now = self._store.now()
        due = and_(_next(identity, sending, attempt - 1), jobs.c.webhook_state == "pending")
        free = or_(jobs.c.webhook_until.is_(None), jobs.c.webhook_until <= now)

        def work(connection: Connection) -> Job | float | None:
            change = update(jobs).where(due, free).values(webhook_until=now + round(seconds * 1000))
            row = connection.execute(change.returning(*COLUMNS)).first()
            if row is not None:
                return Job(**row._mapping)
            until = connection.execute(select(jobs.c.webhook_until).where(due)).scalar()
            return None if until is None else max(0.1, (until - now) / 1000)

        return await self._database.write(identity, work)

    async def delivered(self, job: Job) -> None:
        values = {"webhook_state": "delivered", "webhook_error": None, "webhook_next_at": None}
        await self._change(job, values)

    async def failed(self, job: Job, why: str, delay: float | None) -> Job | None:
        """The job with its next attempt, after so many seconds; delay: None: there is none more."""
        next_at = None if delay is None else self._store.now() + round(delay * 1000)
        state = "failed" if delay is None else "pending"
        return await self._change(job, {"webhook_state": state, "webhook_error": why, "webhook_next_at": next_at})

    async def again(self, job: Job) -> Job | None:
        """From the first attempt on; None while one may be under way."""
        now = self._store.now()
        free = or_(jobs.c.webhook_until.is_(None), jobs.c.webhook_until <= now)
        values = {
            "webhook_state": "pending",
            "webhook_round": jobs.c.webhook_round + 1,
            "webhook_attempts": 0,
            "webhook_error": None,
            "webhook_next_at": now,
        }
        return await self._one(job.id, and_(jobs.c.id == job.id, free), values)

    async def overdue(self, seconds: float) -> list[Job]:
        """Whose next attempt should have begun so long ago."""
        before = self._store.now() - round(seconds * 1000)
        late = and_(jobs.c.webhook_state == "pending", jobs.c.webhook_next_at < before, jobs.c.finished_at.is_not(None))
        query = select(*COLUMNS).where(late).limit(200)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [Job(**row._mapping) for row in rows]

    async def _change(self, job: Job, values: dict[str, Any]) -> Job | None:
        attempted = {"webhook_attempts": job.webhook_attempts + 1, "webhook_until": None}
        return await self._one(job.id, _next(job.id, job.webhook_round, job.webhook_attempts), attempted | values)

    async def _one(self, identity: str, where: ColumnElement[bool], values: dict[str, Any]) -> Job | None:
        change = update(jobs).where(where).values(**values).returning(*COLUMNS)
        row = await self._database.write(identity, lambda c: c.execute(change).first())
        return None if row is None else Job(**row._mapping)


def _next(identity: str, sending: int, made: int) -> ColumnElement[bool]:
    """made: attempts until now"""
    return and_(jobs.c.id == identity, jobs.c.webhook_round == sending, jobs.c.webhook_attempts == made)

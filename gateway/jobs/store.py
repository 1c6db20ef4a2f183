"""Jobs in the database: what is asked and told of them, one method a transaction.

Only the gateway that began a job last may write of its work: each write names the attempt, and a job that was
cancelled, or that another gateway has begun since, refuses it.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from gateway.accounts.database import Database
from gateway.jobs.fair_order import clock, tag
from gateway.jobs.job import ENDED, WAITING, Job, JobFilter, JobText, JobTranscript
from gateway.jobs.schema import jobs, results, texts, windows

COLUMNS = [jobs.c[field.name] for field in fields(Job)]
_JOB = select(*COLUMNS)
_BEGINS = jobs.c.tag - jobs.c.cost
_KEPT = "recordings"  # subject of transactions that are no caller's


class AttemptEnded(Exception):
    """The job was cancelled or removed, or another gateway has begun it since."""


class JobStore:
    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self.database = database
        self._clock = now

    def now(self) -> int:
        """Milliseconds since 1970."""
        return round(self._clock() * 1000)

    async def add(self, job: Job) -> Job:
        """The job with its place in the queue, or the one that is there under its Idempotency-Key already."""
        try:
            return await self.database.write(job.subject, lambda c: self._add(c, job))
        except IntegrityError:
            found = await self.by_key(job.subject, job.idempotency_key or "")
            if found is None:
                raise
            return found

    async def by_key(self, subject: str, key: str) -> Job | None:
        return await self._one(and_(jobs.c.subject == subject, jobs.c.idempotency_key == key))

    async def find(self, identity: str, subject: str | None = None) -> Job | None:
        """subject: whose job it has to be; None: anybody's"""
        own = jobs.c.id == identity
        return await self._one(own if subject is None else and_(own, jobs.c.subject == subject))

    async def listed(self, subject: str, wanted: JobFilter) -> list[Job]:
        where: list[ColumnElement[bool]] = [jobs.c.subject == subject]
        if wanted.status is not None:
            where.append(jobs.c.status == wanted.status)
        if wanted.created_after is not None:
            where.append(jobs.c.created_at > wanted.created_after)
        if wanted.created_before is not None:
            where.append(jobs.c.created_at < wanted.created_before)
        if wanted.before is not None:
            at, last = wanted.before
            where.append(or_(jobs.c.created_at < at, and_(jobs.c.created_at == at, jobs.c.id < last)))
        query = _JOB.where(*where).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(wanted.limit)
        return await self._many(query)

    async def unqueued(self, before: int) -> list[Job]:
        """That were added and never reached the engine."""
        late = and_(jobs.c.enqueued == 0, jobs.c.status == "queued", jobs.c.created_at < before)
        return await self._many(_JOB.where(late))

    async def queued(self, identity: str) -> None:
        await self._write(identity, update(jobs).where(jobs.c.id == identity).values(enqueued=1))

    async def begin(self, identity: str) -> Job | None:
        """The job, in a new attempt; None where there is nothing left to do."""

        def work(connection: Connection) -> Job | None:
            waiting = and_(jobs.c.id == identity, jobs.c.status.in_(WAITING))
            started = func.coalesce(jobs.c.started_at, self.now())
            change = update(jobs).where(waiting)
            change = change.values(status="processing", attempt=jobs.c.attempt + 1, started_at=started, enqueued=1)
            row = connection.execute(change.returning(*COLUMNS)).first()
            return None if row is None else Job(**row._mapping)

        return await self.database.write(identity, work)

    async def change(self, job: Job, **values: Any) -> None:
        """Of the work in hand. Raises AttemptEnded."""
        await self.database.write(job.id, lambda c: _change(c, job, values))

    async def checkpoint(
        self, job: Job, progress: float, results: Mapping[str, bytes], said: Sequence[JobText]
    ) -> None:
        """What is known since the last one. results: by digest. Raises AttemptEnded.

        What the store has already stays: a write may be done and yet seem to have failed, and is made again.
        """
        packed = [{"job": job.id, "digest": key, "result": zlib.compress(each)} for key, each in results.items()]
        told = [{"job": job.id, **asdict(each)} for each in said]

        def work(connection: Connection) -> None:
            _change(connection, job, {"progress": progress})
            if packed:
                connection.execute(_insert_new(connection, windows), packed)
            if told:
                connection.execute(_insert_new(connection, texts), told)

        await self.database.write(job.id, work)

    async def windows(self, identity: str) -> dict[str, bytes]:
        """By digest, what the models said of a job's windows until now."""
        query = select(windows.c.digest, windows.c.result).where(windows.c.job == identity)
        rows = await self.database.read(lambda c: c.execute(query).all())
        return {digest: zlib.decompress(result) for digest, result in rows}

    async def texts(self, identity: str, after: int = -1) -> list[JobText]:
        """after: number of the last one that is known already"""
        query = select(texts.c.number, texts.c.begins, texts.c.ends, texts.c.text)
        query = query.where(texts.c.job == identity, texts.c.number > after).order_by(texts.c.number)
        rows = await self.database.read(lambda c: c.execute(query).all())
        return [JobText(*row) for row in rows]

    async def keep(self, job: Job, transcript: JobTranscript, **values: Any) -> None:
        """The result of the work, which from now on has only to be paid for. Raises AttemptEnded."""
        row = {"job": job.id, "transcript": _packed(transcript)}

        def work(connection: Connection) -> None:
            _change(connection, job, values)
            connection.execute(delete(results).where(results.c.job == job.id))
            connection.execute(insert(results), row)

        await self.database.write(job.id, work)

    async def transcript(self, identity: str) -> JobTranscript | None:
        query = select(results.c.transcript).where(results.c.job == identity)
        packed = await self.database.read(lambda c: c.execute(query).scalar())
        return None if packed is None else json.loads(zlib.decompress(packed))

    async def end(self, job: Job, **values: Any) -> None:
        """What only the work needed is removed. Raises AttemptEnded."""

        def work(connection: Connection) -> None:
            _change(connection, job, {"finished_at": self.now(), **values})
            connection.execute(delete(windows).where(windows.c.job == job.id))

        await self.database.write(job.id, work)

    async def cancel(self, job: Job, **values: Any) -> Job | None:
        """The job; None where it has ended already."""
        identity = job.id

        def work(connection: Connection) -> Job | None:
            waiting = and_(jobs.c.id == identity, jobs.c.status.in_(WAITING))
            change = update(jobs).where(waiting).values(status="cancelled", finished_at=self.now(), **values)
            row = connection.execute(change.returning(*COLUMNS)).first()
            if row is None:
                return None
            for table in (windows, texts, results):
                connection.execute(delete(table).where(table.c.job == identity))
            return Job(**row._mapping)

        return await self.database.write(identity, work)

    async def revise(self, identity: str, transcript: JobTranscript | None, values: Mapping[str, Any]) -> None:
        """Of a job that has ended."""
        packed = None if transcript is None else _packed(transcript)

        def work(connection: Connection) -> None:
            if values:
                connection.execute(update(jobs).where(jobs.c.id == identity).values(**values))
            if packed is not None:
                connection.execute(update(results).where(results.c.job == identity).values(transcript=packed))

        await self.database.write(identity, work)

    async def remove(self, identities: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            for table in (windows, texts, results):
                connection.execute(delete(table).where(table.c.job.in_(identities)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(identities)))

        await self.database.write(_KEPT, work)

    async def forgotten(self, identities: Sequence[str]) -> None:
        """Their recordings are no longer stored."""
        await self._write(_KEPT, update(jobs).where(jobs.c.id.in_(identities)).values(stored=0))

    async def with_old_recordings(self, before: int, limit: int = 200) -> list[str]:
        """Ids of ended jobs whose recordings were sent before that moment, and of those that were cancelled."""
        over = or_(jobs.c.created_at < before, jobs.c.status == "cancelled")
        old = and_(jobs.c.stored == 1, jobs.c.status.in_(ENDED), over)
        return await self._ids(select(jobs.c.id).where(old).limit(limit))

    async def ended_before(self, moment: int, limit: int = 200) -> list[str]:
        return await self._ids(select(jobs.c.id).where(jobs.c.finished_at < moment).limit(limit))

    async def with_files(self, identities: Sequence[str]) -> set[str]:
        """Which of these are jobs that may have files: they have not ended, or their recordings are stored."""
        may = or_(jobs.c.stored == 1, jobs.c.status.in_(WAITING))
        return set(await self._ids(select(jobs.c.id).where(jobs.c.id.in_(identities), may)))

    async def _ids(self, query: Any) -> list[str]:
        return await self.database.read(lambda c: list(c.execute(query).scalars()))

    async def _one(self, where: ColumnElement[bool]) -> Job | None:
        found = await self._many(_JOB.where(where))
        return found[0] if found else None

    async def _many(self, query: Any) -> list[Job]:
        rows = await self.database.read(lambda c: c.execute(query).all())
        return [Job(**row._mapping) for row in rows]

    async def _write(self, subject: str, statement: Any) -> None:
        await self.database.write(subject, lambda c: c.execute(statement) and None)

    def _add(self, connection: Connection, job: Job) -> Job:
        def of(*where: ColumnElement[bool]) -> Any:
            return connection.execute(select(func.min(_BEGINS)).where(*where)).scalar()

        now = clock(of(jobs.c.status == "processing"), of(jobs.c.status == "queued"))
        own = and_(jobs.c.subject == job.subject, jobs.c.status.in_(WAITING), jobs.c.cost <= job.cost)
        backlog = connection.execute(select(func.coalesce(func.sum(jobs.c.cost), 0)).where(own)).scalar()
        row = asdict(job) | {"tag": tag(now, int(backlog or 0), job.cost), "created_at": self.now()}
        connection.execute(insert(jobs), row)
        return Job(**row)


def _change(connection: Connection, job: Job, values: Mapping[str, Any]) -> None:
    own = and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.status == "processing")
    if connection.execute(update(jobs).where(own).values(**values)).rowcount == 0:
        raise AttemptEnded


def _packed(transcript: JobTranscript) -> bytes:
    return zlib.compress(json.dumps(transcript, ensure_ascii=False).encode())


def _insert_new(connection: Connection, table: Table) -> Executable:
    """Of rows whose key is not there yet."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()

"""SQL of resumable uploads. Where an upload ends is moved by one statement, so that two connections that send the
same piece never both count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from gateway.accounts.database import Database
from gateway.uploads.schema import pieces, uploads
from gateway.uploads.upload import ResumableUpload, UploadPiece

COLUMNS = [uploads.c[field.name] for field in fields(ResumableUpload)]


class QuotaExceeded(Exception):
    """All uploads of the account together would be larger than is allowed."""


class UploadStore:
    def __init__(self, database: Database, kept_milliseconds: int, now: Callable[[], int]) -> None:
        """kept_milliseconds: for which an upload is kept after its last piece; now: milliseconds since 1970"""
        self._database = database
        self._kept = kept_milliseconds
        self._now = now

    async def add(self, upload: ResumableUpload, most_bytes: int) -> ResumableUpload:
        """most_bytes: of all uploads of its account together. Raises QuotaExceeded, Unavailable"""
        added = replace(upload, expires_at=self._now() + self._kept)

        def work(connection: Connection) -> None:
            others = select(func.coalesce(func.sum(uploads.c.length), 0)).where(uploads.c.subject == upload.subject)
            if int(connection.execute(others).scalar() or 0) + upload.length > most_bytes:
                raise QuotaExceeded
            connection.execute(insert(uploads), asdict(added))

        await self._database.write(upload.subject, work)
        return added

    async def find(self, identity: str, subject: str) -> ResumableUpload | None:
        """None also where it is over, or another account's. Raises Unavailable"""
        own = and_(uploads.c.id == identity, uploads.c.subject == subject, uploads.c.expires_at > self._now())
        row = await self._database.read(lambda c: c.execute(select(*COLUMNS).where(own)).first())
        return None if row is None else ResumableUpload(**row._mapping)

    async def extend(self, upload: ResumableUpload, added: Sequence[UploadPiece]) -> ResumableUpload | None:
        """The upload with the pieces at its end; None where that is elsewhere meanwhile, or the upload is gone.

        raises: Unavailable, where they may be part of it all the same
        """
        rows = [{"upload": upload.id, "start": piece.start, "file": piece.file} for piece in added]

        def work(connection: Connection) -> ResumableUpload | None:
            here = and_(
                uploads.c.id == upload.id, uploads.c.received == added[0].start, uploads.c.expires_at > self._now()
            )
            change = update(uploads).where(here).values(received=added[-1].end, expires_at=self._now() + self._kept)
            row = connection.execute(change.returning(*COLUMNS)).first()
            if row is None:
                return None
            connection.execute(insert(pieces), rows)
            return ResumableUpload(**row._mapping)

        return await self._database.write(upload.id, work)

    async def files(self, identity: str) -> list[str]:
        """Names in the object storage of all that is stored of it, in order."""
        query = select(pieces.c.file).where(pieces.c.upload == identity).order_by(pieces.c.start)
        return await self._names(query)

    async def end(self, identity: str) -> None:
        """From now on nobody finds it."""
        change = update(uploads).where(uploads.c.id == identity).values(expires_at=0)
        await self._database.write(identity, lambda c: c.execute(change) and None)

    async def remove(self, identity: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(delete(pieces).where(pieces.c.upload == identity))
            connection.execute(delete(uploads).where(uploads.c.id == identity))

        await self._database.write(identity, work)

    async def expired(self, limit: int = 200) -> list[str]:
        """Ids."""
        return await self._names(select(uploads.c.id).where(uploads.c.expires_at <= self._now()).limit(limit))

    async def existing(self, identities: Sequence[str]) -> set[str]:
        return set(await self._names(select(uploads.c.id).where(uploads.c.id.in_(identities))))

    async def _names(self, query: Any) -> list[str]:
        return await self._database.read(lambda c: list(c.execute(query).scalars()))

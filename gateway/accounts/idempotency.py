"""Responses stored for a day under the caller's Idempotency-Key, so that a repeated request costs nothing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.accounts.schema import idempotency as records
from gateway.errors import BadParameter

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was sent."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]  # that belong to the content, Content-Type among them


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """What settled work stores for a repeated request."""

    fingerprint: str  # hash of what was asked: the file and the options
    response: StoredResponse


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What the store has under a key; packed, because a long transcript is large and is rarely asked for again."""

    admission: str
    fingerprint: str | None = None
    status: int | None = None  # None while the work runs
    headers: str = "{}"  # JSON
    body: bytes = field(default=b"", repr=False)  # zlib

    @property
    def finished(self) -> bool:
        return self.status is not None

    def response_to(self, fingerprint: str) -> StoredResponse | None:
        """None while the work runs. raises: BadParameter where the key was used for something else"""
        if self.status is None:
            return None
        if self.fingerprint != fingerprint:
            raise BadParameter("This Idempotency-Key was used for another file or other options; use a new one.")
        return StoredResponse(self.status, zlib.decompress(self.body), json.loads(self.headers))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key is the caller's own: keys of different callers never meet."""

    subject: str
    key: str


_HERE = (records.c.subject == bindparam("of_subject"), records.c.idempotency_key == bindparam("of_key"))
_COLUMNS = [records.c[name] for name in IdempotencyRecord.__slots__]
_FIND = select(*_COLUMNS).where(*_HERE, records.c.created_at > bindparam("since"))
_FORGET = delete(records).where(*_HERE)


def checked_key(text: str) -> str:
    """raises: BadParameter"""
    if not 1 <= len(text) <= LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise BadParameter(f"Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters.")
    return text


def packed(admission: str, result: IdempotentResult) -> IdempotencyRecord:
    """To be made before the transaction: packing a long transcript takes a while."""
    response = result.response
    headers = json.dumps(dict(response.headers))
    return IdempotencyRecord(admission, result.fingerprint, response.status, headers, zlib.compress(response.body))


def find(connection: Connection, key: IdempotencyKey, since: int) -> IdempotencyRecord | None:
    row = connection.execute(_FIND, {**_where(key), "since": since}).first()
    if row is None:
        return None
    return IdempotencyRecord(*row) if row.status is not None else IdempotencyRecord(row.admission)


def reserve(connection: Connection, key: IdempotencyKey, admission: str, now: int) -> None:
    """In place of one that is too old to be found."""
    _put(connection, key, {"admission": admission, "created_at": now})


def store(connection: Connection, key: IdempotencyKey, record: IdempotencyRecord, now: int) -> None:
    """In place of whatever work is reserved there: it will find this response when it settles."""
    row = {name: getattr(record, name) for name in IdempotencyRecord.__slots__}
    _put(connection, key, row | {"created_at": now})


def forget_unfinished(connection: Connection, key: IdempotencyKey, admission: str) -> None:
    """The work failed or died: the same request may be made again."""
    unfinished = _FORGET.where(records.c.admission == bindparam("of_admission"), records.c.status.is_(None))
    connection.execute(unfinished, {**_where(key), "of_admission": admission})


def forget_before(connection: Connection, moment: int) -> None:
    connection.execute(delete(records).where(records.c.created_at <= moment))


def _put(connection: Connection, key: IdempotencyKey, row: dict[str, object]) -> None:
    connection.execute(_FORGET, _where(key))
    connection.execute(insert(records), row | {"subject": key.subject, "idempotency_key": key.key})


def _where(key: IdempotencyKey) -> dict[str, str]:
    return {"of_subject": key.subject, "of_key": key.key}

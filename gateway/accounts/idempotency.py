"""Responses stored for a day under the caller's Idempotency-Key, so that a repeated request costs nothing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.accounts.schema import answers as records
from gateway.errors import BadParameter

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was sent."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]  # that belong to the content, Content-Type among them


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    admission: str
    fingerprint: str | None
    response: StoredResponse | None  # None while the work runs


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key is the caller's own: keys of different callers never meet."""

    subject: str
    key: str


_HERE = (records.c.subject == bindparam("of_subject"), records.c.idempotency_key == bindparam("of_key"))
_FIND = select(records).where(*_HERE, records.c.created_at > bindparam("since"))
_FORGET = delete(records).where(*_HERE)
_FILL = update(records).where(*_HERE, records.c.admission == bindparam("of_admission"))


def checked_key(text: str) -> str:
    """raises: BadParameter"""
    if not 1 <= len(text) <= LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise BadParameter(f"Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters.")
    return text


def find(connection: Connection, key: IdempotencyKey, since: int) -> IdempotencyRecord | None:
    row = connection.execute(_FIND, {**_where(key), "since": since}).first()
    if row is None:
        return None
    if row.status is None:
        return IdempotencyRecord(row.admission, None, None)
    response = StoredResponse(row.status, zlib.decompress(row.body), json.loads(row.headers))
    return IdempotencyRecord(row.admission, row.fingerprint, response)


def reserve(connection: Connection, key: IdempotencyKey, admission: str, now: int) -> None:
    """Replaces one that is too old to be found."""
    connection.execute(_FORGET, _where(key))
    row = {"subject": key.subject, "idempotency_key": key.key, "admission": admission, "created_at": now}
    connection.execute(insert(records), row)


@dataclass(frozen=True, slots=True)
class IdempotentResult:
    """What settled work stores for a repeated request."""

    fingerprint: str  # hash of what was asked: the file and the options
    response: StoredResponse


def store(connection: Connection, key: IdempotencyKey, admission: str, result: IdempotentResult, now: int) -> None:
    response = result.response
    values = {
        "fingerprint": result.fingerprint,
        "status": response.status,
        "headers": json.dumps(dict(response.headers)),
        "body": zlib.compress(response.body),
    }
    where = {**_where(key), "of_admission": admission}
    filled = connection.execute(_FILL.values(**values), where).rowcount == 1
    # Where the lease lapsed, its reservation went with it; store the response unless the request is made anew.
    if not filled and find(connection, key, since=0) is None:
        reserve(connection, key, admission, now)
        connection.execute(_FILL.values(**values), where)


def forget_unfinished(connection: Connection, key: IdempotencyKey, admission: str) -> None:
    """The work failed or died: the same request may be made again."""
    unfinished = _FORGET.where(records.c.admission == bindparam("of_admission"), records.c.status.is_(None))
    connection.execute(unfinished, {**_where(key), "of_admission": admission})


def forget_before(connection: Connection, moment: int) -> None:
    connection.execute(delete(records).where(records.c.created_at <= moment))


def _where(key: IdempotencyKey) -> dict[str, str]:
    return {"of_subject": key.subject, "of_key": key.key}

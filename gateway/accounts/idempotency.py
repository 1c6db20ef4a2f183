"""Answers kept for a day under the caller's Idempotency-Key, so that a repeated request costs nothing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.accounts.schema import answers
from gateway.errors import BadParameter

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was sent."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]  # that belong to the content, Content-Type among them


@dataclass(frozen=True, slots=True)
class Kept:
    admission: str
    fingerprint: str | None
    answer: Answer | None  # None while the work runs


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer is kept: keys of different callers never meet."""

    subject: str
    key: str


_HERE = (answers.c.subject == bindparam("of_subject"), answers.c.answer_key == bindparam("of_key"))
_FIND = select(answers).where(*_HERE, answers.c.created_at > bindparam("since"))
_FORGET = delete(answers).where(*_HERE)
_FILL = update(answers).where(*_HERE, answers.c.admission == bindparam("of_admission"))


def checked_key(text: str) -> str:
    """raises: BadParameter"""
    if not 1 <= len(text) <= LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise BadParameter(f"Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters.")
    return text


def find(connection: Connection, place: Place, since: int) -> Kept | None:
    row = connection.execute(_FIND, {**_where(place), "since": since}).first()
    if row is None:
        return None
    if row.status is None:
        return Kept(row.admission, None, None)
    answer = Answer(row.status, zlib.decompress(row.body), json.loads(row.headers))
    return Kept(row.admission, row.fingerprint, answer)


def reserve(connection: Connection, place: Place, admission: str, now: int) -> None:
    """Replaces one that is too old to be found."""
    connection.execute(_FORGET, _where(place))
    row = {"subject": place.subject, "answer_key": place.key, "admission": admission, "created_at": now}
    connection.execute(insert(answers), row)


@dataclass(frozen=True, slots=True)
class Finished:
    """What settled work leaves to be kept."""

    admission: str
    fingerprint: str  # of the request: its file and options
    answer: Answer


def keep(connection: Connection, place: Place, finished: Finished, now: int) -> None:
    admission, answer = finished.admission, finished.answer
    values = {
        "fingerprint": finished.fingerprint,
        "status": answer.status,
        "headers": json.dumps(dict(answer.headers)),
        "body": zlib.compress(answer.body),
    }
    where = {**_where(place), "of_admission": admission}
    filled = connection.execute(_FILL.values(**values), where).rowcount == 1
    # Where the lease lapsed, its reservation went with it; keep the answer unless the request is made anew.
    if not filled and find(connection, place, since=0) is None:
        reserve(connection, place, admission, now)
        connection.execute(_FILL.values(**values), where)


def forget_unfinished(connection: Connection, place: Place, admission: str) -> None:
    """The work failed or died: the same request may be made again."""
    unfinished = _FORGET.where(answers.c.admission == bindparam("of_admission"), answers.c.status.is_(None))
    connection.execute(unfinished, {**_where(place), "of_admission": admission})


def forget_before(connection: Connection, moment: int) -> None:
    connection.execute(delete(answers).where(answers.c.created_at <= moment))


def _where(place: Place) -> dict[str, str]:
    return {"of_subject": place.subject, "of_key": place.key}

"""Leases: one row for each piece of work that runs now, renewed by its gateway until it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.accounts.schema import leases

Kind = Literal["transcription", "summary", "job"]  # of which each has slots of its own


@dataclass(frozen=True, slots=True)
class Lease:
    id: str
    subject: str
    kind: str
    bucket: str
    held: int  # minor units, beyond what was taken
    used: int  # of these, what a live session has already had
    taken: int  # minor units that the ledger has of this admission already
    idempotency_key: str | None
    owner: str  # the gateway process that renews it
    expires_at: int  # milliseconds since 1970


_COLUMNS = [leases.c[name] for name in Lease.__slots__]
_OF_SUBJECT = select(*_COLUMNS).where(leases.c.subject == bindparam("of_subject"))
_TAKE = insert(leases)
_END = delete(leases).where(leases.c.id == bindparam("of_id")).returning(*_COLUMNS)
_EXPIRE = (
    delete(leases).where(leases.c.id == bindparam("of_id"), leases.c.expires_at <= bindparam("by")).returning(*_COLUMNS)
)
_RENEW = (
    update(leases).where(leases.c.id.in_(bindparam("of_ids", expanding=True))).values(expires_at=bindparam("until"))
)


def of_subject(connection: Connection, subject: str) -> list[Lease]:
    return _leases(connection.execute(_OF_SUBJECT, {"of_subject": subject}).all())


def take(connection: Connection, lease: Lease) -> None:
    connection.execute(_TAKE, {name: getattr(lease, name) for name in Lease.__slots__})


def end(connection: Connection, lease: str) -> Lease | None:
    """None where it had already ended, by itself or by force."""
    rows = _leases(connection.execute(_END, {"of_id": lease}).all())
    return rows[0] if rows else None


def end_expired(connection: Connection, lease: str, by: int) -> Lease | None:
    """Checks the time in the same statement, as its owner may renew it at this moment."""
    rows = _leases(connection.execute(_EXPIRE, {"of_id": lease, "by": by}).all())
    return rows[0] if rows else None


def renew(connection: Connection, ids: Sequence[str], until: int) -> None:
    connection.execute(_RENEW, {"of_ids": list(ids), "until": until})


def expired(connection: Connection, by: int) -> list[Lease]:
    query = select(*_COLUMNS).where(leases.c.expires_at <= by)
    return _leases(connection.execute(query).all())


def of_owner(connection: Connection, owner: str) -> list[Lease]:
    query = select(*_COLUMNS).where(leases.c.owner == owner)
    return _leases(connection.execute(query).all())


def owners(connection: Connection) -> list[str]:
    return list(connection.execute(select(leases.c.owner).distinct()).scalars())


def _leases(rows: Iterable[Iterable[Any]]) -> list[Lease]:
    return [Lease(*row) for row in rows]

"""The ledger: what each subject was given and has spent, one bucket a period. Entries are only added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, func, insert, select

from gateway.accounts.schema import ledger

Kind = Literal["grant", "hold", "settle", "release"]


@dataclass(frozen=True, slots=True)
class Position:
    """The end of one bucket's entries: how many there are, and their sum."""

    sequence: int
    balance: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    subject: str
    bucket: str
    kind: Kind
    amount: int
    admission: str | None = None
    milliseconds: int | None = None  # audio that a settle paid for
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What the settled work of one bucket comes to."""

    requests: int
    milliseconds: int


_LAST = (
    select(ledger.c.sequence, ledger.c.balance)
    .where(ledger.c.subject == bindparam("of_subject"), ledger.c.bucket == bindparam("of_bucket"))
    .order_by(ledger.c.sequence.desc())
    .limit(1)
)
_ADD = insert(ledger)


def position(connection: Connection, subject: str, bucket: str) -> Position:
    row = connection.execute(_LAST, {"of_subject": subject, "of_bucket": bucket}).first()
    return Position(row.sequence, row.balance) if row else Position(0, 0)


def add(connection: Connection, after: Position, entry: LedgerEntry, now: float) -> Position:
    """raises: IntegrityError if another entry already follows `after`"""
    following = Position(after.sequence + 1, after.balance + entry.amount)
    connection.execute(
        _ADD,
        {
            "subject": entry.subject,
            "bucket": entry.bucket,
            "sequence": following.sequence,
            "kind": entry.kind,
            "amount": entry.amount,
            "balance": following.balance,
            "admission": entry.admission,
            "milliseconds": entry.milliseconds,
            "note": entry.note,
            "created_at": round(now * 1000),
        },
    )
    return following


def spending(connection: Connection, subject: str, bucket: str, since: float = 0) -> Spending:
    """since: seconds since 1970"""
    settled = (
        select(func.count(), func.coalesce(func.sum(ledger.c.milliseconds), 0))
        .where(ledger.c.subject == subject, ledger.c.bucket == bucket, ledger.c.kind == "settle")
        .where(ledger.c.created_at >= round(since * 1000))
    )
    requests, milliseconds = connection.execute(settled).one()
    return Spending(int(requests), int(milliseconds))

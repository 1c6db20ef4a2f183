"""The ledger: what each subject was given and has spent, one bucket a period. Entries are only added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, bindparam, case, func, insert, select

from gateway.accounts.schema import ledger

# grant: credits that were bought. settle: the charge for finished work. lapse: the charge for what a live session
# had used when its lease ended without a settle.
Kind = Literal["grant", "settle", "lapse"]


@dataclass(frozen=True, slots=True)
class Position:
    """The end of one bucket's entries: how many there are, and their sums."""

    sequence: int
    balance: int
    requests: int = 0  # settled
    audio: int = 0  # milliseconds that they paid for


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
class Taken:
    """What one admission has cost so far."""

    amount: int  # minor units
    settled: bool


_LAST = (
    select(ledger.c.sequence, ledger.c.balance, ledger.c.requests, ledger.c.audio)
    .where(ledger.c.subject == bindparam("of_subject"), ledger.c.bucket == bindparam("of_bucket"))
    .order_by(ledger.c.sequence.desc())
    .limit(1)
)
_ADD = insert(ledger)
_TAKEN = select(
    func.coalesce(-func.sum(ledger.c.amount), 0),
    func.coalesce(func.sum(case((ledger.c.kind == "settle", 1), else_=0)), 0),
).where(ledger.c.admission == bindparam("of_admission"))


def position(connection: Connection, subject: str, bucket: str) -> Position:
    row = connection.execute(_LAST, {"of_subject": subject, "of_bucket": bucket}).first()
    return Position(*row) if row else Position(0, 0)


def taken(connection: Connection, admission: str) -> Taken:
    amount, settled = connection.execute(_TAKEN, {"of_admission": admission}).one()
    return Taken(int(amount), bool(settled))


def add(connection: Connection, after: Position, entry: LedgerEntry, now: float) -> Position:
    """raises: IntegrityError if another entry already follows `after`"""
    settles = entry.kind == "settle"
    following = Position(
        after.sequence + 1,
        after.balance + entry.amount,
        after.requests + settles,
        after.audio + (entry.milliseconds or 0 if settles else 0),
    )
    connection.execute(
        _ADD,
        {
            "subject": entry.subject,
            "bucket": entry.bucket,
            "sequence": following.sequence,
            "kind": entry.kind,
            "amount": entry.amount,
            "balance": following.balance,
            "requests": following.requests,
            "audio": following.audio,
            "admission": entry.admission,
            "milliseconds": entry.milliseconds,
            "note": entry.note,
            "created_at": round(now * 1000),
        },
    )
    return following

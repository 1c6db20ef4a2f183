"""What is held lives in the lease alone; the ledger holds grants, settlements and lapses.

Until now a hold was a ledger entry of its own. Holds of work that runs while this migration comes are given
back to the ledger here and stay in their lease, which its gateway, or whoever sweeps it, ends as before. The
tables of leases and of idempotency keys get their new names too, so that a gateway of the version before
fails instead of counting holds twice.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_HELD = "SELECT id, subject, bucket, held FROM leases WHERE held > 0 ORDER BY id"
_LAST = (
    "SELECT sequence, balance FROM ledger WHERE subject = :subject AND bucket = :bucket ORDER BY sequence DESC LIMIT 1"
)
_RELEASE = (
    "INSERT INTO ledger (subject, bucket, sequence, kind, amount, balance, admission, note, created_at) "
    "VALUES (:subject, :bucket, :sequence, 'release', :amount, :balance, :admission, 'held by its lease', :now)"
)
_TOTALS = (
    "UPDATE ledger SET requests = sums.requests, audio = sums.audio FROM (SELECT subject, bucket, sequence, "
    "sum(CASE WHEN kind = 'settle' THEN 1 ELSE 0 END) OVER chain AS requests, "
    "sum(CASE WHEN kind = 'settle' THEN coalesce(milliseconds, 0) ELSE 0 END) OVER chain AS audio FROM ledger "
    "WINDOW chain AS (PARTITION BY subject, bucket ORDER BY sequence)) AS sums WHERE ledger.subject = sums.subject "
    "AND ledger.bucket = sums.bucket AND ledger.sequence = sums.sequence AND sums.requests > 0"
)
_REPLACED = "subject = NEW.subject AND bucket = NEW.bucket AND sequence = NEW.sequence"
_SETTLED = "NEW.kind = 'settle' AND kind = 'settle' AND admission = NEW.admission"


def upgrade() -> None:
    _rename_tables()
    _release_holds()
    _add_totals()
    op.create_index("ledger_by_admission", "ledger", ["admission"])
    if op.get_bind().dialect.name == "sqlite":
        # INSERT OR REPLACE would delete the row that is in its way without asking the trigger on DELETE.
        op.execute(
            f"CREATE TRIGGER ledger_refuses_replace BEFORE INSERT ON ledger WHEN EXISTS "
            f"(SELECT 1 FROM ledger WHERE {_REPLACED}) OR EXISTS (SELECT 1 FROM ledger WHERE {_SETTLED}) "
            "BEGIN SELECT RAISE(ABORT, 'ledger entries are only added'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("restore the backup from before the upgrade: holds cannot be put back into the ledger")


def _rename_tables() -> None:
    for column in ("subject", "expiry", "holder"):
        op.drop_index(f"admissions_by_{column}", "admissions")
    op.rename_table("admissions", "leases")
    op.execute("ALTER TABLE leases RENAME COLUMN holder TO owner")
    op.execute("ALTER TABLE leases RENAME COLUMN answer_key TO idempotency_key")
    op.add_column("leases", sa.Column("taken", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("leases_by_subject", "leases", ["subject"])
    op.create_index("leases_by_expiry", "leases", ["expires_at"])
    op.create_index("leases_by_owner", "leases", ["owner"])
    op.drop_index("answers_by_age", "answers")
    op.rename_table("answers", "idempotency")
    op.execute("ALTER TABLE idempotency RENAME COLUMN answer_key TO idempotency_key")
    op.create_index("idempotency_by_age", "idempotency", ["created_at"])


def _release_holds() -> None:
    connection = op.get_bind()
    for lease in connection.execute(sa.text(_HELD)).all():
        bucket = {"subject": lease.subject, "bucket": lease.bucket}
        last = connection.execute(sa.text(_LAST), bucket).one()
        entry = {"sequence": last.sequence + 1, "amount": lease.held, "balance": last.balance + lease.held}
        connection.execute(
            sa.text(_RELEASE), bucket | entry | {"admission": lease.id, "now": round(time.time() * 1000)}
        )


def _add_totals() -> None:
    """Sums so far, as `balance` is one: a caller's figures need not be added up from all its entries."""
    for name in ("requests", "audio"):
        op.add_column("ledger", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_is_append_only")
        op.execute(_TOTALS)
        op.execute("ALTER TABLE ledger ENABLE TRIGGER ledger_is_append_only")
        return
    op.execute("DROP TRIGGER ledger_refuses_update")
    op.execute(_TOTALS)
    op.execute(
        "CREATE TRIGGER ledger_refuses_update BEFORE UPDATE ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'ledger entries are only added'); END"
    )

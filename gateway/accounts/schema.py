"""The tables of the account store, alike in SQLite and PostgreSQL.

Times are integer milliseconds since 1970, UTC. Amounts are whole units of a bucket: credits, seconds,
transcriptions or summaries (see tiers.py). A change here needs a migration beside it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

metadata = MetaData()
_settled = text("kind = 'settle'")
_where_settled: dict[str, Any] = {"sqlite_where": _settled, "postgresql_where": _settled}

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("tier", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("prefix", String(16), primary_key=True),  # the part of a key that may be shown
    Column("digest", String(64), nullable=False),  # SHA-256 of the whole key
    Column("account", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Index("keys_by_account", "account"),
)

# Rows are only ever added; triggers of the migrations refuse anything else. Each row carries the
# sum so far, and the primary key lets nobody write two continuations of the same sum.
ledger = Table(
    "ledger",
    metadata,
    Column("subject", String(80), primary_key=True),  # an account's id, or a keyed hash of an address
    Column("bucket", String(40), primary_key=True),  # "credits", "seconds/2026-11", "summaries/2026-11-22"
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), nullable=False),  # grant, settle, lapse; hold and release before migration 0002
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),  # sum of the amounts up to here
    Column("requests", BigInteger, nullable=False, server_default="0"),  # settled up to here
    Column("audio", BigInteger, nullable=False, server_default="0"),  # milliseconds that they paid for
    Column("admission", String(32)),
    Column("milliseconds", BigInteger),  # audio that a settle paid for
    Column("note", String(200)),
    Column("created_at", BigInteger, nullable=False),
    # Nothing is charged twice, not even when a commit's outcome was never heard.
    Index("ledger_settled_once", "admission", unique=True, **_where_settled),
    Index("ledger_by_admission", "admission"),
)

# Work that is running now: what is held for it, and until when, unless its gateway renews the lease.
leases = Table(
    "leases",
    metadata,
    Column("id", String(32), primary_key=True),  # of the admission
    Column("subject", String(80), nullable=False),
    Column("kind", String(16), nullable=False),  # transcription, summary
    Column("bucket", String(40), nullable=False),
    Column("held", BigInteger, nullable=False),  # beyond what was taken
    Column("used", BigInteger, nullable=False),  # of what is held, what a live session has already had
    Column("taken", BigInteger, nullable=False, server_default="0"),  # what the ledger has of it, by earlier lapses
    Column("idempotency_key", String(255)),
    Column("owner", String(200), nullable=False),  # the gateway process
    Column("expires_at", BigInteger, nullable=False),
    Index("leases_by_subject", "subject"),
    Index("leases_by_expiry", "expires_at"),
    Index("leases_by_owner", "owner"),
)

# Idempotency-Key → the response that was paid for. `status` is null while the work runs.
idempotency = Table(
    "idempotency",
    metadata,
    Column("subject", String(80), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("admission", String(32), nullable=False),
    Column("fingerprint", String(64)),
    Column("status", Integer),
    Column("headers", String),  # JSON
    Column("body", LargeBinary),  # zlib
    Column("created_at", BigInteger, nullable=False),
    Index("idempotency_by_age", "created_at"),
)

# Values that all gateways of a store share: the salt of the address hashes.
secrets = Table(
    "secrets",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)

# How far requests in hand are, at each gateway. Rows that their gateway does not write again count no more.
progress = Table(
    "progress",
    metadata,
    Column("request", String(64), primary_key=True),  # X-Request-Id
    Column("owner", String(200), primary_key=True),  # the gateway process
    Column("stage", String(16), nullable=False),
    Column("thousandths", Integer, nullable=False),  # of the stage that are done
    Column("began_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("progress_by_owner", "owner"),
)

"""The tables of jobs, alike in SQLite and PostgreSQL. A change here needs a migration beside it.

Times are integer milliseconds since 1970, UTC. What is large, recordings and decoded sound, is in the object storage.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),  # of its admission, too
    Column("subject", String(80), nullable=False),  # the account whose job it is
    Column("caller", String(200), nullable=False),  # the account's name
    Column("tier", String(64), nullable=False),
    Column("key_prefix", String(16)),
    Column("status", String(12), nullable=False),
    Column("attempt", Integer, nullable=False),  # how often a gateway began it; only the last one may write
    Column("enqueued", Integer, nullable=False),  # 1: the engine has it
    Column("cost", BigInteger, nullable=False),  # seconds of sound, as far as they are known before the work
    Column("tag", BigInteger, nullable=False),  # its place in the queue
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("progress", Float, nullable=False),
    Column("duration", Float),  # seconds
    Column("model", String(64), nullable=False),  # as asked for; of a completed job, the one that recognized it
    Column("parameters", Text, nullable=False),  # JSON: the form's fields
    Column("user_metadata", Text),  # JSON
    Column("file_name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes of the recording; 0: not fetched yet
    Column("stored", Integer, nullable=False),  # 1: the object storage has the recording
    Column("source_url", Text),
    Column("summary_style", String(32)),
    Column("summary", Text),  # JSON
    Column("error", Text),
    Column("error_status", Integer),
    Column("webhook_url", Text),
    Column("webhook_state", String(12)),
    Column("webhook_attempts", Integer, nullable=False),
    Column("webhook_round", Integer, nullable=False),  # how often it was sent anew on request
    Column("webhook_until", BigInteger),  # an attempt is under way until then, at the latest
    Column("webhook_next_at", BigInteger),
    Column("webhook_error", Text),
    Column("idempotency_key", String(255)),
    Column("fingerprint", String(64)),
    UniqueConstraint("subject", "idempotency_key", name="jobs_idempotency"),
    Index("jobs_by_subject", "subject", "created_at", "id"),
    Index("jobs_by_status", "status", "tag"),
    Index("jobs_by_end", "finished_at"),
    Index("jobs_by_creation", "created_at"),
)

# What the models said of each window: whoever goes on with a job asks them only for what is missing.
windows = Table(
    "job_windows",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),  # of the samples and of what is asked about them
    Column("result", LargeBinary, nullable=False),  # zlib
)

# Text as it is recognized, for those who follow a job.
texts = Table(
    "job_texts",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("begins", Float, nullable=False),  # seconds
    Column("ends", Float, nullable=False),  # seconds
    Column("text", Text, nullable=False),
)

results = Table(
    "job_results",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("transcript", LargeBinary, nullable=False),  # zlib, JSON
)

# Gateways that are alive: one that is not renewed by `expires_at` is dead, and others go on with its jobs.
gateways = Table(
    "job_gateways",
    metadata,
    Column("executor", String(200), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("subject", String(80), primary_key=True),
    Column("secret", String(80), nullable=False),
)

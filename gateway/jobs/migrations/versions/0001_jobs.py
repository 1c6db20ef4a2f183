"""Jobs, what is known of them, the gateways that work on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_gateways()
    _create_results()
    _create_texts()
    _create_windows()
    _create_jobs()
    _create_webhook_secrets()


def downgrade() -> None:
    for table in ("job_gateways", "job_results", "job_texts", "job_windows", "jobs", "webhook_secrets"):
        op.drop_table(table)


def _create_gateways() -> None:
    op.create_table(
        "job_gateways",
        sa.Column("executor", sa.String(200), primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )


def _create_results() -> None:
    op.create_table(
        "job_results",
        sa.Column("job", sa.String(32), primary_key=True),
        sa.Column("transcript", sa.LargeBinary, nullable=False),
    )


def _create_texts() -> None:
    op.create_table(
        "job_texts",
        sa.Column("job", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begins", sa.Float, nullable=False),
        sa.Column("ends", sa.Float, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )


def _create_windows() -> None:
    op.create_table(
        "job_windows",
        sa.Column("job", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("result", sa.LargeBinary, nullable=False),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("tier", sa.String(64), nullable=False),
        sa.Column("key_prefix", sa.String(16)),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("enqueued", sa.Integer, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("tag", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("duration", sa.Float),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("user_metadata", sa.Text),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.Integer, nullable=False),
        sa.Column("source_url", sa.Text),
        sa.Column("summary_style", sa.String(32)),
        sa.Column("summary", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("error_status", sa.Integer),
        sa.Column("webhook_url", sa.Text),
        sa.Column("webhook_state", sa.String(12)),
        sa.Column("webhook_attempts", sa.Integer, nullable=False),
        sa.Column("webhook_round", sa.Integer, nullable=False),
        sa.Column("webhook_until", sa.BigInteger),
        sa.Column("webhook_next_at", sa.BigInteger),
        sa.Column("webhook_error", sa.Text),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("fingerprint", sa.String(64)),
        sa.UniqueConstraint("subject", "idempotency_key", name="jobs_idempotency"),
    )
    op.create_index("jobs_by_creation", "jobs", ["created_at"])
    op.create_index("jobs_by_end", "jobs", ["finished_at"])
    op.create_index("jobs_by_status", "jobs", ["status", "tag"])
    op.create_index("jobs_by_subject", "jobs", ["subject", "created_at", "id"])


def _create_webhook_secrets() -> None:
    op.create_table(
        "webhook_secrets",
        sa.Column("subject", sa.String(80), primary_key=True),
        sa.Column("secret", sa.String(80), nullable=False),
    )

"""Resumable uploads and the pieces that they consist of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("client_metadata", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uploads_by_subject", "uploads", ["subject"])
    op.create_index("uploads_by_expiry", "uploads", ["expires_at"])
    op.create_table(
        "upload_pieces",
        sa.Column("upload", sa.String(32), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("upload", "start"),
    )


def downgrade() -> None:
    op.drop_table("upload_pieces")
    op.drop_table("uploads")

"""The tables of resumable uploads, beside those of jobs, whose migrations make them.

Times are integer milliseconds since 1970, UTC. The bytes are in the object storage.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

metadata = MetaData()

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject", String(80), nullable=False),  # the account whose upload it is
    Column("length", BigInteger, nullable=False),  # bytes, as they were announced
    Column("received", BigInteger, nullable=False),  # bytes that are stored
    Column("file_name", Text, nullable=False),
    Column("client_metadata", Text, nullable=False),  # the header Upload-Metadata, as it was sent
    Column("expires_at", BigInteger, nullable=False),
    Index("uploads_by_subject", "subject"),
    Index("uploads_by_expiry", "expires_at"),
)

# Which files of the object storage an upload consists of, one behind the other.
pieces = Table(
    "upload_pieces",
    metadata,
    Column("upload", String(32), primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),  # bytes before it
    Column("file", String(80), nullable=False),
)

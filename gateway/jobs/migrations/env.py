"""Runs migrations on the connection that the account store's Database hands over."""

from alembic import context

from gateway.jobs.schema import metadata
from gateway.uploads.schema import metadata as uploads

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    target_metadata=[metadata, uploads],
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

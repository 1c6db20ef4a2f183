"""Runs migrations on the connection that database.py hands over."""

from alembic import context

from gateway.accounts.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes.get("version_table", "alembic_version"),
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's environment and the versions of the account store's schema."""

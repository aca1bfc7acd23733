"""The body of every service's `migrations/env.py`."""

from alembic import context
from sqlalchemy import MetaData


def run_migrations(metadata: MetaData) -> None:
    """Run the chain on the connection that `migrate` opened; the version table lives in the service's own schema."""
    config = context.config
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=metadata,
        version_table="alembic_version",
        version_table_schema=config.attributes["schema"],
        include_schemas=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()

"""The migrations and tables.py describe the same schema, indexes included."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from parley_media.tables import SCHEMA, metadata
from parley_shared.testing.fixtures import Postgres


async def test_the_migrations_make_what_the_tables_say(postgres: Postgres) -> None:
    await postgres.migrated("media")
    engine = create_async_engine(postgres.admin_url.replace("postgresql://", "postgresql+asyncpg://"))

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
                "version_table": "alembic_version",
                "version_table_schema": SCHEMA,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
